"""`airsplit run` with networks of other libraries: stored with the run, repeated from there, refused in one line."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import airsplit
from airsplit.cli import app, code_and_line
from airsplit.rerun import repeat_run
from emulator.core.errors import MissingDependency
from results.progress import RunProgress
from tests.agents.foreign.networks import save_linear, weights_of
from tests.extras import module_of_extra
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build import build
from topologies.loading.loader import load

QUICK = ("--no-bound", "--no-figures", "--no-cache", "--quiet")
SB3 = {"type": "sb3", "label": "mine", "file": "nets/model.zip", "algorithm": "MaskablePPO", "trust": True}


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A folder with a scenario, and one for networks."""
    (tmp_path / "lab" / "nets").mkdir(parents=True)
    (tmp_path / "lab" / "good.yaml").write_text(GOOD.partition("hil:")[0])
    return tmp_path / "lab"


def with_policies(lab: Path, *policies: dict[str, Any]) -> Path:
    data = yaml.safe_load((lab / "good.yaml").read_text()) | {"policies": list(policies)}
    (lab / "own.yaml").write_text(yaml.safe_dump(data))
    return lab / "own.yaml"


def refusal(lab: Path, *policies: dict[str, Any]) -> tuple[int, str]:
    """Return exit code and line of a run that is refused."""
    with pytest.raises((ValueError, MissingDependency)) as refused:
        airsplit.load(with_policies(lab, *policies)).run(out=lab / "runs")
    code, line = code_and_line(refused.value)
    assert "\n" not in line
    return code, line


def run_and_repeat(lab: Path, *policies: dict[str, Any]) -> Path:
    done = CliRunner().invoke(app, ["run", str(with_policies(lab, *policies)), "--out", str(lab / "runs"), *QUICK])
    assert done.exit_code == 0, done.output
    (folder,) = (lab / "runs" / "good").iterdir()
    for file in (lab / "nets").iterdir():
        file.unlink()  # the run has its own
    again = repeat_run(folder, RunProgress(quiet=True))
    assert again.records_sha256 == again.stored_sha256
    return folder


def test_networks_in_onnx_are_stored_and_repeated(lab: Path) -> None:
    module_of_extra("onnxruntime", "onnx")
    environment = airsplit_layout(lab)
    save_linear(lab / "nets" / "linear.onnx", weights_of(*environment))
    folder = run_and_repeat(lab, {"type": "random"}, {"type": "onnx", "label": "mine", "file": "nets/linear.onnx"})
    manifest = json.loads((folder / "manifest.json").read_text())
    assert list(manifest["network_sha256"]) == ["inputs/mine.onnx"]
    (folder / "inputs" / "mine.onnx").write_bytes(b"other")
    with pytest.raises(ValueError, match=r"network_sha256 of inputs/mine\.onnx is"):
        repeat_run(folder, RunProgress(quiet=True))


def airsplit_layout(lab: Path) -> tuple[int, int]:
    """Return the sizes of observations and actions of Offload."""
    from agents.offload.episodes import coupled_layout_of

    layout = coupled_layout_of(build(load(lab / "good.yaml"), lab))
    return layout.features, layout.choices


def test_models_of_stable_baselines_are_stored_and_repeated(lab: Path) -> None:
    import gymnasium

    import agents.environments

    ppo = module_of_extra("sb3_contrib", "baselines").MaskablePPO
    environment = gymnasium.make(agents.environments.OFFLOAD, scenario=str(lab / "good.yaml"), episodes=1)
    ppo("MlpPolicy", environment, seed=1).save(lab / "nets" / "model.zip")
    folder = run_and_repeat(lab, SB3)
    assert list(airsplit.open_run(folder).manifest.network_sha256) == ["inputs/mine.zip"]
    assert set(airsplit.open_run(folder).tasks["policy"]) == {"mine"}


def test_a_pickle_is_not_loaded_without_trust(lab: Path) -> None:
    code, line = refusal(lab, SB3 | {"trust": False})
    assert code == 3
    assert "policies[0]: must have trust: true: files of Stable-Baselines3 are pickles, which can run any code" in line


@pytest.mark.parametrize(
    ("policy", "package"), [(SB3, "sb3_contrib"), ({"type": "onnx", "file": "nets/model.zip"}, "onnxruntime")]
)
def test_a_missing_package_is_said_with_the_remedy(
    policy: dict[str, Any], package: str, lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lab / "nets" / "model.zip").touch()
    monkeypatch.setitem(sys.modules, package, None)
    code, line = refusal(lab, policy)
    assert code == 4
    assert "must be installed: pip install 'airsplit[" in line


def test_a_missing_file_is_said_in_one_line(lab: Path) -> None:
    code, line = refusal(lab, SB3)
    assert code == 3
    assert line.endswith("policies[0].file=nets/model.zip: must be an existing file")
