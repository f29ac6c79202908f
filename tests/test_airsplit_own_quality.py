"""`airsplit quality` of a user's own language model: its table in a scenario, and refusals in one line."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from airsplit.cli import app
from emulator.core.errors import MissingDependency, Mistakes
from tests.topologies.models.small_models import save_model
from topologies.build import build
from topologies.build.run_inputs import input_files, resolved_yaml
from topologies.datasets.texts import shipped_texts
from topologies.loading.loader import load
from topologies.models.digests import source_digests, weights_sha256
from topologies.quality.measured_model import find_model
from topologies.quality.tables import QUALITY_FOLDER, load_quality, read_file
from topologies.schema.models import ModelSection

SCENARIO = """\
name: own
seed: 1
duration_s: 10
nodes:
  - {name: ue1, role: ue, device: phone}
  - {name: edge1, role: edge, device: phone}
devices:
  phone: {compute_gflops: 1, memory_mb: 1000, memory_gb_per_s: 3}
links:
  - {between: [ue1, edge1], rate_mbps: 2, delay_ms: 5, bearer: um, loss: 0.1}
models:
  mine: {folder: net}
tasks:
  - name: text
    model: mine
    sources: all
    arrivals: {poisson: {rate_per_s: 2}}
    deadline_ms: 1000
    tokens: {prompt_mean: 8, prompt_max: 16, output_mean: 1, output_max: 1}
    transport: udp
    delivery: packets:96/none/zero
    quality: mine.json
control: {node: edge1}
cost: {failure_s: 2, quality_s: {text: 1}}
policies:
  - {type: greedy}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, its table and a scenario of both."""
    folder = tmp_path_factory.mktemp("own")
    save_model("llama", folder / "net")
    (folder / "text.txt").write_text("\n".join(shipped_texts())[:4000])
    measure(folder, f"folder:{folder / 'net'}")
    (folder / "own.yaml").write_text(SCENARIO)
    return folder


def measure(folder: Path, model: str, *options: str, out: str = "mine.json") -> None:
    given = ["--cuts", "1,3", "--harms", "packets:96", "--levels", "0.5,1", "--tokens", "16", "--units", "1"]
    given += ["--text", str(folder / "text.txt"), "--out", str(folder / out), "--quiet", *options]
    assert CliRunner().invoke(app, ["quality", model, *given], catch_exceptions=False).exit_code == 0


def test_table_of_a_folder_is_used_by_its_scenario(lab: Path) -> None:
    table, read = load_quality(str(lab / "mine.json")), read_file(lab / "mine.json")
    assert (table.model, table.unit, table.cuts) == ("folder:net", "nats a token", (1, 3))
    assert table.loss(3, "int8", "packets:96/none/zero", 1.0) != 0
    assert read.measured_on.weights_sha256 == weights_sha256(source_digests(ModelSection(folder="net"), lab))
    system = build(load(lab / "own.yaml"), lab)
    assert system.quality["text"] == table
    assert {part.stop for each in system.placements["ue1", "text"] for part in each[:-1]} == {1, 3}


def test_folder_and_its_copy_have_one_table(lab: Path, tmp_path: Path) -> None:
    """The names of folders do not count, nor does what else is in them."""
    shutil.copytree(lab / "net", tmp_path / "copy")
    (tmp_path / "copy" / "README.md").write_text("none")
    shutil.copyfile(lab / "text.txt", tmp_path / "text.txt")
    measure(tmp_path, f"folder:{tmp_path / 'copy'}")
    copied, first = read_file(tmp_path / "mine.json"), read_file(lab / "mine.json")
    assert (copied.model, copied.rows, copied.measured_on) == ("folder:copy", first.rows, first.measured_on)


def test_model_of_the_hub_is_measured_at_its_revision(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was downloaded before."""
    monkeypatch.setenv("AIRSPLIT_MODELS", str(tmp_path / "models"))
    shutil.copytree(lab / "net", tmp_path / "models" / "hub-lab%2Ftiny-v2")
    (tmp_path / "models").chmod(0o700)
    shutil.copyfile(lab / "text.txt", tmp_path / "text.txt")
    measure(tmp_path, "hub:lab/tiny@v2")
    table = load_quality(str(tmp_path / "mine.json"))
    assert (table.model, table.rows) == ("hub:lab/tiny", load_quality(str(lab / "mine.json")).rows)


def test_run_folder_needs_no_model(lab: Path, tmp_path: Path) -> None:
    scenario = load(lab / "own.yaml")
    (tmp_path / "inputs").mkdir()
    (tmp_path / "scenario.yaml").write_text(resolved_yaml(scenario, lab).replace(str(lab / "net"), "/nowhere"))
    for name, path in input_files(scenario, lab).items():
        shutil.copyfile(path, tmp_path / name)
    stored = load(tmp_path / "scenario.yaml")
    assert build(stored, tmp_path).quality == build(scenario, lab).quality


@pytest.mark.parametrize(
    ("models", "quality"),
    [
        ({"mine": {"folder": "other"}}, "mine.json"),
        ({"mine": {"folder": "net", "sha256": {"model.safetensors": "1" * 64}}}, "mine.json"),
        ({"mine": {"package": "smollm2"}}, "changed.json"),
    ],
)
def test_table_of_other_weights_is_refused(lab: Path, models: dict[str, Any], quality: str) -> None:
    if not (lab / "other").is_dir():
        save_model("llama-scaled", lab / "other")
    data = json.loads((QUALITY_FOLDER / "smollm2-135m.json").read_text())
    data["measured_on"]["weights_sha256"] = "2" * 64
    (lab / "changed.json").write_text(json.dumps(data))
    scenario = yaml.safe_load(SCENARIO)
    scenario["models"], scenario["tasks"][0]["quality"] = models, quality
    (lab / "changed.yaml").write_text(yaml.safe_dump(scenario))
    with pytest.raises(Mistakes) as caught:
        load(lab / "changed.yaml")
    (line,) = caught.value.lines
    assert f"tasks[0].quality={quality}: must be measured on the weights of mine (weights_sha256=" in line


def test_shipped_tables_are_of_the_shipped_weights() -> None:
    for path in QUALITY_FOLDER.glob("*.json"):
        assert read_file(path).measured_on.weights_sha256 == weights_sha256(source_digests(path.stem, path.parent))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("folder:/nowhere/net", "folder=/nowhere/net: must be an existing folder, or a GGUF file"),
        ("hub:../etc", "model=hub:../etc: hub=../etc: must "),
        ("hub:", "model=hub:: hub='': must "),
        ("hub:a/b@-x", "model=hub:a/b@-x: revision=-x: must "),
        ("disk:net", "model=disk:net: must be one of alexnet, "),
        ("llama-15m", "model=llama-15m: must be a trained one: weights drawn from a seed"),
    ],
)
def test_models_that_cannot_be_measured_are_one_line(model: str, message: str, lab: Path) -> None:
    with pytest.raises(ValueError) as refusal:
        measure(lab, model, out="none.json")
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)
    assert not (lab / "none.json").exists()


def test_windows_longer_than_the_model_are_refused(lab: Path) -> None:
    save_model("gpt2", lab / "gpt2")
    with pytest.raises(ValueError, match=r"^--tokens 129: must be at most 128, the positions of folder:gpt2$"):
        measure(lab, f"folder:{lab / 'gpt2'}", "--tokens", "129", out="none.json")
    measure(lab, f"folder:{lab / 'gpt2'}", "--tokens", "128", "--seeds", "1", out="gpt2.json")


def test_activations_that_do_not_fit_are_refused_before_measuring(lab: Path) -> None:
    """2 cuts x 48 scalars x 4 bytes x (windows and calibration), and two copies of one cut: 100 x 1000 x 4096 tokens
    take 315 GB."""
    model, size = f"folder:{lab / 'net'}", ("--seeds", "100", "--units", "1000", "--tokens", "4096")
    assert find_model(model).plan.name == "folder:net"
    rule = r"^--seeds 100 x --units 1000 of 4096 tokens: about 314\.6 GB of memory are needed for the activations of"
    with pytest.raises(MissingDependency, match=rule) as refusal:
        measure(lab, model, *size, out="none.json")
    assert "\n" not in str(refusal.value)
    assert not list(lab.glob(".none*"))
