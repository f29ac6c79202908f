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


DECIDES = "class Best:\n    def decide(self, observation):\n        return observation.candidates[0]\n"


def test_field_module_of_another_folder_is_never_used(tmp_path: Path) -> None:
    """Neither where this folder's is missing, nor where it cannot be imported, nor a helper of its name."""
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
    (one / "lab_twice.py").write_text("from lab_twice_helper import PLACE as Best\n", encoding="utf-8")
    (one / "lab_twice_helper.py").write_text("PLACE = 1\n", encoding="utf-8")
    assert load_class("lab_twice:Best", one) == 1
    with pytest.raises(ModuleNotFoundError):
        load_class("lab_twice:Best", other)
    assert load_class("lab_twice:Best", one) == 1
    (other / "lab_twice.py").write_text("from . import missing\n", encoding="utf-8")
    with pytest.raises(ImportError, match="relative import"):
        load_class("lab_twice:Best", other)
    assert load_class("lab_twice:Best", one) == 1
    dynamic = 'import importlib\nBest = importlib.import_module("lab_twice_helper").PLACE\n'
    (other / "lab_twice.py").write_text(dynamic, encoding="utf-8")
    (other / "lab_twice_helper.py").write_text("PLACE = 2\n", encoding="utf-8")
    assert load_class("lab_twice:Best", other) == 2


def test_field_import_within_a_function_finds_the_file_beside_the_module(lab: Path, tmp_path: Path) -> None:
    """In the run and in its repetition, which has the file's copy."""
    lazy = "class Best:\n    def decide(self, observation):\n"
    lazy += "        import lab_helper\n        return observation.candidates[lab_helper.PLACE]\n"
    (lab / "lab_policy.py").write_text(lazy, encoding="utf-8")
    run = airsplit.load(lab / "small.yaml").run(out=tmp_path / "runs", left_out=["bound", "figures"])
    (lab / "lab_helper.py").write_text("PLACE = -1\n", encoding="utf-8")
    repeated = repeat_run(run.path, RunProgress(True))
    assert repeated.records_sha256 == repeated.stored_sha256
    assert len(repeated.notes) == 1


def test_field_module_with_the_name_of_one_in_use_does_not_replace_it(tmp_path: Path) -> None:
    import json

    (tmp_path / "json.py").write_text(DECIDES, encoding="utf-8")
    assert load_class("json:Best", tmp_path).__module__ == "json"
    assert load_class("json:Best", tmp_path).__module__ == "json"
    assert sys.modules["json"] is json


def test_field_folder_without_init_is_named_as_the_reason(tmp_path: Path) -> None:
    """Its files would not be stored with the run."""
    (tmp_path / "lab_package" / "sub").mkdir(parents=True)
    (tmp_path / "lab_package" / "__init__.py").touch()
    (tmp_path / "lab_package" / "sub" / "policy.py").write_text(DECIDES, encoding="utf-8")
    with pytest.raises(ImportError, match=r"^lab_package.sub.policy: each folder must have a file __init__.py$"):
        load_class("lab_package.sub.policy:Best", tmp_path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import sys\nsys.exit(0)\n", "SystemExit: 0, raised at {}:2"),
        ("class Best:\n    def __init__(self):\n        raise SystemExit('bye')\n", "SystemExit: bye, raised at {}:3"),
        (
            "class Best:\n    def decide(self, seen):\n        quit()\n",
            "decide raised SystemExit: None, raised at {}:3",
        ),
        (
            "class E(Exception):\n    def __str__(self):\n        return 1 / 0\nraise E\n",
            "E: <exception str() failed>, raised at {}:4",
        ),
    ],
)
def test_field_policy_that_ends_python_is_one_line_with_its_place(source: str, message: str, lab: Path) -> None:
    """An exit code of the policy's own is no exit code of the run, 0 least of all."""
    (lab / "lab_policy.py").write_text(source, encoding="utf-8")
    with pytest.raises(ValueError, match=r"type=lab_policy:Best: ") as caught:
        airsplit.load(lab / "small.yaml").run(out=lab / "runs", left_out=["bound", "figures"])
    assert message.format(lab / "lab_policy.py") in str(caught.value)
    assert "\n" not in str(caught.value)
