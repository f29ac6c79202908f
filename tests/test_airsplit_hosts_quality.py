"""The command line with workers over a real broker: their answers are scored in records, quality.csv and report."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from airsplit.stored_run import load_stored
from emulator.activation.codecs import CODECS
from emulator.task import Task
from emulator.workload import Stream
from hil.answers import Answer, answer_of
from hil.task_inputs import input_image, input_prompt, input_seed
from results.figures.quality_data import read_quality
from tests.commands import call
from tests.topologies.datasets.installed import needs_photographs
from topologies.models.chain import Chain
from topologies.models.registry import model_plan, plan_input
from topologies.models.vision.images import task_image_input

SCENARIO = """
name: quality
seed: 1
duration_s: 6
nodes:
  - {name: ue1, role: ue, device: phone}
  - {name: edge1, role: edge, device: server}
devices:
  phone: {compute_gflops: 100, memory_mb: 2000, memory_gb_per_s: 20}
  server: {compute_gflops: 100, memory_mb: 2000, memory_gb_per_s: 20}
links:
  - {between: [ue1, edge1], rate_mbps: 100, delay_ms: 1}
tasks:
  - name: text
    model: smollm2-135m
    sources: ue1
    arrivals: {periodic: {interval_ms: 2000}}
    deadline_ms: 9000
    tokens: {prompt_max: 32, output_mean: 1, output_max: 1}
    prompts: {shipped: pydoc-topics}
    activation: int4
    cuts: [16]
  - name: drawn
    model: llama-15m
    sources: ue1
    arrivals: {periodic: {interval_ms: 1000}}
    deadline_ms: 9000
    tokens: {prompt_mean: 12, prompt_max: 16, output_mean: 2, output_max: 2}
    activation: int4
    cuts: [2]
  - name: image
    model: efficientnet-lite0
    sources: ue1
    arrivals: {periodic: {interval_ms: 1000}}
    deadline_ms: 9000
    input_kb: 30
    images: {dataset: photographs}
    activation: int4
    cuts: [5]
control: {node: edge1}
cost: {failure_s: 20, quality_s: {text: 1, image: 1}}
policies:
  - {type: fixed, splits: {text: {cut: 16, node: edge1}, drawn: {cut: 2, node: edge1}, image: {cut: 5, node: edge1}}}
hil:
  workers: {phone: {nodes: ue1}, server: {nodes: edge1}}
  policies: [fixed]
  duration_s: 6
"""
CUTS = {"text": 16, "drawn": 2, "image": 5}


def answers(chain: Chain, cut: int, x: torch.Tensor, prompt: tuple[int, ...]) -> tuple[Answer, Answer]:
    """Return the answers of a whole model, and of one whose activation at the cut goes through int4."""
    at_cut = chain.run(x, 0, cut)
    matrix = at_cut.reshape(at_cut.shape[1] if x.ndim == 2 else 1, -1).numpy()
    coarse = CODECS["int4"].decode(CODECS["int4"].encode(matrix), matrix.shape).reshape(at_cut.shape)
    layers = len(chain.plan.layers)
    whole, harmed = (chain.run(each, cut, layers) for each in (at_cut, torch.from_numpy(coarse)))
    return answer_of(whole, prompt), answer_of(harmed, prompt)


@needs_photographs
@pytest.mark.timeout(600)
def test_answers_of_workers_are_scored_against_the_whole_model(tmp_path: Path) -> None:
    path = tmp_path / "quality.yaml"
    path.write_text(SCENARIO)
    done = call("run", path, "--hil", "local", "--out", tmp_path / "runs", "--json")
    assert done.returncode == 0, done.stderr
    folder = Path(json.loads(done.stdout)["run"])
    found = read_quality(folder / "quality.csv")
    assert found is not None
    assert found["kind"].value_counts().to_dict() == {"text": 3, "drawn": 6, "image": 6}
    assert set(found["policy"]) == {"fixed@hosts"} and set(found["erased_share"]) == {0.0}
    assert found.groupby("kind")["predicted"].count().to_dict() == {"text": 3, "drawn": 0, "image": 6}

    _, system = load_stored(folder, "hil")
    streams: dict[str, Stream] = {each.kind.name: each for each in system.streams}
    chains = {}
    for name, stream in streams.items():
        plan = model_plan(stream.kind.model.name)
        chains[name] = Chain(plan, 0, len(plan.layers))
        chains[name].materialise(0)
    offered = {(each.kind.name, each.number): each for s in system.streams for each in s.tasks(1, system.duration_ns)}
    tasks = pd.read_parquet(folder / "tasks.parquet").query("policy == 'fixed@hosts'")
    recorded = tasks.set_index(["kind", "task"])["quality_loss"].to_dict()
    for row in found.to_dict("records"):
        task: Task = offered[row["kind"], row["task"]]
        prompt, image = input_prompt(system, task), input_image(system, task)
        plan = chains[row["kind"]].plan
        if image is not None:
            x = task_image_input(plan, image)
        else:
            seed = input_seed(system, task)
            x = torch.tensor([prompt]) if prompt else plan_input(plan, seed, tokens=task.prompt_tokens)
        whole, harmed = answers(chains[row["kind"]], CUTS[row["kind"]], x, prompt)
        assert row["agreement"] == (whole.choice == harmed.choice)
        if row["kind"] == "text":
            assert harmed.text_loss is not None and whole.text_loss is not None
            assert row["quality_loss"] == pytest.approx(harmed.text_loss - whole.text_loss, abs=1e-3)
        elif row["kind"] == "image":
            assert row["quality_loss"] == float(whole.choice != harmed.choice)
        assert row["quality_loss"] == recorded[row["kind"], row["task"]] or (
            row["kind"] == "drawn" and pd.isna(row["quality_loss"])
        )
    assert (found.loc[found["kind"] == "text", "quality_loss"].abs() > 1e-3).all()  # int4 is felt
    assert tasks.loc[tasks["kind"] == "drawn", "quality_loss"].isna().all()

    report = (folder / "report.html").read_text()
    assert "Quality that answers lost: measured and predicted" in report
    assert (folder / "figures" / "measured-quality.pdf").is_file()
    again = call("rerun", folder)
    assert again.returncode == 0, again.stderr
