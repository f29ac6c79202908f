"""Policies of a user's own: found beside the scenario from any folder, stored with the run, repeated from there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import airsplit
from airsplit.rerun import repeat_run
from results.progress import RunProgress
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.user_modules import load_class, own_module

ROOT = Path(airsplit.__file__).parents[1]
POLICY = """
from lab_helper import PLACE

class Best:
    def decide(self, observation):
        return observation.candidates[PLACE]
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A folder with a scenario, its policy, and a module that the policy imports."""
    folder = tmp_path / "lab"
    folder.mkdir()
    scenario = GOOD.partition("hil:")[0].replace("  - {type: random}", '  - {type: "lab_policy:Best"}')
    (folder / "small.yaml").write_text(scenario, encoding="utf-8")
    (folder / "lab_policy.py").write_text(POLICY, encoding="utf-8")
    (folder / "lab_helper.py").write_text("PLACE = 0\n", encoding="utf-8")
    return folder


def call(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "airsplit", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)


def test_field_policy_is_found_beside_the_scenario_and_stored_with_the_run(lab: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = call("run", "../lab/small.yaml", "--no-bound", "--no-figures", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    (run,) = (elsewhere / "runs" / "good").iterdir()
    manifest = airsplit.open_run(run).manifest
    assert list(manifest.module_sha256) == ["modules/lab_helper.py", "modules/lab_policy.py"]
    assert {path.name for path in lab.iterdir()} == {"small.yaml", "lab_policy.py", "lab_helper.py"}

    (lab / "lab_helper.py").write_text("PLACE = -1\n", encoding="utf-8")
    again = call("rerun", run, cwd=elsewhere)
    assert again.returncode == 0, again.stderr
    changed = "modules/lab_helper.py: the run was repeated with this copy, from which ../lab/lab_helper.py now differs"
    assert again.stderr.splitlines()[-1] == f"{run}: {changed}"

    (run / "modules" / "lab_helper.py").write_text("PLACE = -1\n", encoding="utf-8")
    refused = call("rerun", run, cwd=elsewhere)
    assert refused.returncode == 3
    assert "module_sha256 of modules/lab_helper.py is " in refused.stderr


def test_field_run_is_repeated_in_one_process_after_its_module_changed(lab: Path, tmp_path: Path) -> None:
    def run() -> Path:
        return airsplit.load(lab / "small.yaml").run(out=tmp_path / "runs", left_out=("bound", "figures")).path

    before = (list(sys.path), sys.dont_write_bytecode)
    first = run()
    (lab / "lab_helper.py").write_text("PLACE = 1\n", encoding="utf-8")  # as long as before
    second = run()
    shutil.rmtree(lab)
    found = {}
    for folder in (first, second, first):
        repetition = repeat_run(folder, RunProgress(quiet=True))
        assert repetition.records_sha256 == repetition.stored_sha256
        found[folder] = repetition.records_sha256
    assert found[first] != found[second]
    assert before == (list(sys.path), sys.dont_write_bytecode)
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.parametrize("kind", ["collections:OrderedDict", "yaml:SafeLoader", "agents.baselines:Greedy"])
def test_field_modules_that_are_installed_are_not_the_users(kind: str, tmp_path: Path) -> None:
    name, _, attribute = kind.partition(":")
    assert own_module(name, tmp_path) is own_module("sys", tmp_path) is None
    assert load_class(kind, tmp_path).__name__ == attribute


def test_field_module_beside_the_scenario_goes_before_one_of_pythons(tmp_path: Path) -> None:
    (tmp_path / "statistics.py").write_text("class Best: ...\n", encoding="utf-8")
    import statistics

    try:
        assert load_class("statistics:Best", tmp_path).__name__ == "Best"
    finally:
        sys.modules["statistics"] = statistics


def test_field_package_is_stored_with_what_it_imports(tmp_path: Path) -> None:
    package = tmp_path / "lab_package"
    (package / "inner").mkdir(parents=True)
    (tmp_path / "lab_other.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "unused.py").write_text("")
    (package / "inner" / "__init__.py").write_text("")
    (package / "inner" / "rule.py").write_text("X = 1\n")
    (package / "policy.py").write_text("from .inner.rule import X\nimport json\nclass Best:\n    y = X\n")
    own = own_module("lab_package.policy", tmp_path)
    assert own is not None
    names = ["lab_package", "lab_package.inner", "lab_package.inner.rule", "lab_package.policy"]
    assert sorted(own.files) == names
    assert load_class("lab_package.policy:Best", tmp_path).y == 1


@settings(max_examples=20, deadline=None)
@given(values=st.lists(st.integers(0, 9), min_size=1, max_size=5), places=st.lists(st.booleans(), min_size=5))
def test_field_class_is_that_of_the_source_that_is_there(
    values: list[int], places: list[bool], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever was loaded before: other contents of the file, or a file of the same name in another folder."""
    folders = [tmp_path_factory.mktemp("lab") for _ in range(2)]
    for value, place in zip(values, places, strict=False):
        (folders[place] / "lab_drawn.py").write_text(f"class Best:\n    value = {value}\n", encoding="utf-8")
        assert load_class("lab_drawn:Best", folders[place]).value == value
