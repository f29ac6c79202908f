"""Mistakes in what a scenario says of the quality of answers: each is a line with the setting's path."""

import re
from pathlib import Path

import pytest

from topologies.loading.loader import load
from topologies.quality.tables import QUALITY_FOLDER

SCENARIO = """\
name: lossy
seed: 1
duration_s: 1
nodes:
  - {name: ue1, role: ue, device: phone}
  - {name: edge1, role: edge, device: server}
devices:
  phone: {compute_gflops: 1, memory_mb: 1000, memory_gb_per_s: 3, idle_power_w: 0.3, busy_power_w: 2}
  server: {compute_gflops: 100, memory_mb: 4000, memory_gb_per_s: 30, idle_power_w: 15, busy_power_w: 50}
links:
  - {between: [ue1, edge1], rate_mbps: 2, delay_ms: 5, bearer: um, loss: 0.1}
tasks:
  - name: image
    model: vgg-fashion
    sources: all
    arrivals: {poisson: {rate_per_s: 2}}
    deadline_ms: 1000
    input_kb: 4
    transport: udp
    delivery: packets:1500/scatter/mean
control: {node: edge1, observation_age_ms: 10, measurement_window_ms: 100}
cost: {failure_s: 2, quality_s: {image: 1}}
policies:
  - {type: fixed, splits: {image: {cut: 3, node: edge1}}}
"""


def table(model: str) -> str:
    return f"tasks[0].quality={QUALITY_FOLDER / model}.json"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "lossy.yaml"
    file.write_text(SCENARIO)
    return file


@pytest.mark.parametrize("change", ["name=other", "tasks[0].delivery=bursts:1500x4/none/zero", table("vgg-fashion")])
def test_measured_settings_are_accepted(path: Path, change: str) -> None:
    load(path, [change])


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        ("cost.quality_s={text: 1}", "cost.quality_s.text=1: must be the name of a task"),
        ("tasks[0].model=resnet32", "quality=resnet32: must be one of "),
        ("tasks[0].cuts=[3, 4]", "tasks[0].cuts[1]=4: must be one of 1, 3, 6, 7, where the quality was measured"),
        ("tasks[0].delivery=null", "tasks[0].delivery: must be given, since a bearer is um"),
        ("tasks[0].delivery=packets:99/none/zero", "tasks[0].delivery=packets:99/none/zero: must be one of "),
        ("tasks[0].delivery=noise/none/zero", "tasks[0].delivery=noise/none/zero: must be no noise"),
        ("tasks[0].delivery=packets:1500/none/zero/t1", "must protect no tokens, since vgg-fashion takes images"),
        (table("resnet8-fashion"), "must be measured on a model with the layers of vgg-fashion, not on resnet8"),
        (table("smollm2-135m"), "must be measured on a vision model, not in the unit nats a token"),
        (
            "policies[0].splits.image.cut=4",
            "policies[0].splits.image.cut=4: must be one of 1, 3, 6, 7, where the quality was measured",
        ),
    ],
)
def test_mistakes_are_named(path: Path, change: str, mistake: str) -> None:
    with pytest.raises(ValueError, match=re.escape(mistake)) as raised:
        load(path, [change])
    assert all(line.startswith("lossy.yaml:") for line in str(raised.value).splitlines())


def test_a_table_without_a_cost_is_a_mistake(path: Path) -> None:
    changes = ["cost.quality_s={}", "cost.erasure_s=1", table("vgg-fashion")]
    with pytest.raises(ValueError, match=r"must not be given unless cost\.quality_s names image"):
        load(path, changes)
