"""The programs of the page on agents of one's own train and are evaluated as they are printed."""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import yaml

import airsplit
from airsplit.rerun import repeat_run
from results.progress import RunProgress
from tests.extras import module_of_extra
from tests.topologies.loading.bad_scenarios import GOOD

ROOT = Path(__file__).parents[1]
PAGE_FILE = ROOT / "docs" / "bring-your-own-agent.md"
PAGE = PAGE_FILE.read_text()
SMALL = {"training": {"traces": 1, "duration_s": 4}, "duration_s": 1}
LONGEST = 29  # lines of a program


def blocks(heading: str, language: str) -> list[str]:
    """Return the blocks of a section of the page."""
    section = re.search(rf"^## {heading}.*?(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert section is not None
    return re.findall(rf"^```{language}\n(.*?)^```$", section[0], re.DOTALL | re.MULTILINE)


def train(program: str, argument: int, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["program", str(argument)])
        exec(compile(program, PAGE_FILE, "exec"), {"__name__": "program"})


def train_anew(program: str, argument: int, folder: Path) -> None:
    """Train in a process of its own, which starts others."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(argument)],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def evaluate(heading: str, folder: Path) -> None:
    """Run the section's policies and repeat the run: each places all tasks."""
    (policies,) = blocks(heading, "yaml")
    chosen = {**yaml.safe_load((folder / "lab.yaml").read_text()), **yaml.safe_load(policies)}
    (folder / "own.yaml").write_text(yaml.safe_dump(chosen))
    scenario = airsplit.load(folder / "own.yaml")
    run = scenario.run(out=folder / "runs", left_out=["bound", "figures"])
    counts = run.tasks["policy"].value_counts()
    assert len(counts) == len(chosen["policies"])
    assert counts.nunique() == 1
    again = repeat_run(run.path, RunProgress(quiet=True))
    assert again.records_sha256 == again.stored_sha256


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    data = yaml.safe_load(GOOD.partition("hil:")[0].replace("8e3", "8000")) | SMALL
    (tmp_path / "lab.yaml").write_text(yaml.safe_dump(data))
    return tmp_path


def test_programs_are_short() -> None:
    programs = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert len(programs) == 5
    assert all(len([line for line in each.splitlines() if line]) <= LONGEST for each in programs)


def test_a_class_in_a_package_beside_the_scenario(lab: Path) -> None:
    (lab / "mypkg").mkdir()
    (lab / "mypkg" / "__init__.py").touch()
    (program,) = blocks("A class", "python")
    (lab / "mypkg" / "mymodule.py").write_text(program)
    evaluate("A class", lab)


def test_models_of_stable_baselines3(lab: Path) -> None:
    module_of_extra("sb3_contrib", "baselines")
    for program in blocks("Stable-Baselines3", "python"):
        train(program, 64, lab)
    evaluate("Stable-Baselines3", lab)


def test_a_loop_in_torch(lab: Path) -> None:
    module_of_extra("onnxruntime", "onnx")
    module_of_extra("onnxscript", "onnx")
    (program,) = blocks("CleanRL", "python")
    train(program, 2, lab)
    evaluate("CleanRL", lab)


def test_an_agent_of_rllib(lab: Path) -> None:
    module_of_extra("onnxscript", "onnx")
    module_of_extra("ray", "rllib")
    module_of_extra("tree", "rllib")
    (program,) = blocks("RLlib", "python")
    train_anew(program, 128, lab)
    evaluate("RLlib", lab)
