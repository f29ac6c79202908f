"""The Python interface: the same runs and the same errors as the command line, and nothing else changed."""

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import airsplit
from emulator.core.sources import PACKAGES
from emulator.trace import constant
from tests.commands import ROOT, call
from tests.test_airsplit import digest_of
from tests.topologies.loading.bad_scenarios import GOOD

HEAVY = {"numba", "pandas", "torch", "transformers", "scipy", "matplotlib", "seaborn", "simpy", "gymnasium"}
HELP_OF_ALL = """
import sys
from typer.main import get_command
from airsplit.cli import app
def names(command, path=()):
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from names(inner, (*path, name))
for path in names(get_command(app)):
    app([*path, "--help"], standalone_mode=False)
"""


class LastCandidate:
    """A policy that counts its decisions."""

    def __init__(self) -> None:
        self.decisions = 0

    def decide(self, observation: airsplit.Observation) -> airsplit.Placement:
        self.decisions += 1
        return observation.candidates[-1]


class Broken:
    def decide(self, observation: airsplit.Observation) -> airsplit.Placement:
        raise RuntimeError("no idea")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> airsplit.FinishedRun:
    folder = tmp_path_factory.mktemp("finished")
    (folder / "good.yaml").write_text(GOOD)
    return airsplit.load(folder / "good.yaml").run(out=folder / "runs")


def heavy_after(code: str, *arguments: str) -> set[str]:
    """Run code in a new process; return which heavy libraries it loaded."""
    report = f"print('\\n' + ' '.join({HEAVY} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\n{report}", *arguments],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [("--version",), ("trace", "info"), ("trace", "check")], ids=" ".join)
def test_light_commands_load_no_heavy_library(arguments: tuple[str, ...], tmp_path: Path) -> None:
    trace = tmp_path / "t.parquet"
    constant(1e6).save(trace)
    given = arguments if len(arguments) == 1 else (*arguments, str(trace))
    code = "from airsplit.cli import app\napp(sys.argv[1:], standalone_mode=False)"
    assert heavy_after(code, *given) <= {"pandas"}  # which pyarrow loads when it reads a trace


def test_help_of_every_command_and_the_package_load_no_heavy_library() -> None:
    assert heavy_after(HELP_OF_ALL) == set()
    assert heavy_after("import airsplit") == set()
    assert heavy_after("import airsplit.cli") == set()


def test_run_has_the_records_of_the_command_line(file: Path, tmp_path: Path) -> None:
    run = airsplit.load(file, {"duration_s": 1, "cost": {"failure_s": 2}}).run(
        seed=5, out=tmp_path / "python", left_out=["figures"]
    )
    settings = ("--seed", "5", "--set", "duration_s=1", "--set", "cost.failure_s=2", "--no-figures")
    done = call("run", file, *settings, "--out", tmp_path / "shell", "--json")
    assert done.returncode == 0, done.stderr
    assert run.manifest.records_sha256 == digest_of(Path(json.loads(done.stdout)["run"]))
    assert run.manifest.seeds["scenario"] == 5


def test_stored_command_makes_the_same_run(file: Path, tmp_path: Path) -> None:
    run = airsplit.load(file).run({"first": "pool1", "greedy": "greedy"}, out=tmp_path / "runs", left_out=["figures"])
    program, *arguments = run.manifest.command
    assert program == "airsplit"
    assert shlex.join(arguments).startswith(f"run {file}")
    done = call(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert digest_of(Path(json.loads(done.stdout)["run"])) == run.manifest.records_sha256
    assert call("rerun", run.path).returncode == 0


def test_tables_are_those_of_the_folder(finished: airsplit.FinishedRun) -> None:
    pd.testing.assert_frame_equal(finished.tasks, pd.read_parquet(finished.path / "tasks.parquet"))
    assert {"arrival_ns", "sojourn_ns", "energy_j"} <= set(finished.tasks.columns)
    pd.testing.assert_frame_equal(finished.stages, pd.read_parquet(finished.path / "stages.parquet"))
    assert set(finished.summary["policy"]) == {"random", "pool1"}
    assert finished.summary["tasks"].sum() == len(finished.tasks)
    assert finished.tasks is finished.tasks


def test_report_is_found_or_written(finished: airsplit.FinishedRun) -> None:
    report = finished.report()
    assert report == finished.path / "report.html"
    report.unlink()
    assert finished.report().is_file()


def test_opened_run_is_the_finished_one(finished: airsplit.FinishedRun) -> None:
    opened = airsplit.open_run(str(finished.path))
    assert opened.manifest == finished.manifest
    pd.testing.assert_frame_equal(opened.stages, finished.stages)
    assert str(finished.path) in repr(opened)


def test_unfinished_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must hold manifest\.json: the run did not finish"):
        airsplit.open_run(tmp_path)
    with pytest.raises(ValueError, match="must be the folder of a run"):
        airsplit.open_run(tmp_path / "none")


def test_policies_are_labels_types_and_objects(file: Path, tmp_path: Path) -> None:
    scenario = airsplit.load(file)
    assert scenario.labels == ("random", "pool1")
    own = LastCandidate()
    run = scenario.run({"split": "pool1", "mine": own, "best": "exact"}, out=tmp_path / "runs", left_out=["figures"])
    assert list(run.manifest.facts.policies) == ["split", "mine", "best"]
    assert own.decisions == (run.tasks["policy"] == "mine").sum() > 0
    run = scenario.run(["exact", "pool1"], out=tmp_path / "runs", left_out=["figures"])
    assert list(run.manifest.facts.policies) == ["exact", "pool1"]


def test_objects_decide_as_their_class_does(file: Path, tmp_path: Path) -> None:
    own = airsplit.load(file).run({"LastCandidate": LastCandidate()}, out=tmp_path / "runs", left_out=["figures"])
    named = airsplit.load(file).run([f"{__name__}:LastCandidate"], out=tmp_path / "runs", left_out=["figures"])
    assert own.manifest.records_sha256 == named.manifest.records_sha256


def test_nested_overrides_change_the_keys_that_they_name(file: Path) -> None:
    changes = {
        "duration_s": np.float64(1.5),
        "links[1]": {"delay_ms": 1e-5, "rate_mbps": 200},
        "name": "1e3",
        "tasks[0].arrivals": None,
        "tasks[0].arrivals.recorded": {"file": Path("a.csv")},
    }
    with pytest.raises(ValueError, match=r"^good\.yaml: .*a\.csv"):
        airsplit.load(file, changes)
    changes["tasks[0].arrivals.recorded"] = None
    changes["tasks[0].arrivals.periodic"] = {"interval_ms": np.int64(100)}
    scenario = airsplit.load(file, changes)
    assert scenario.overrides[:4] == (
        "duration_s=1.5", "links[1].delay_ms=1e-05", "links[1].rate_mbps=200", 'name="1e3"',
    )  # fmt: skip
    system = scenario.system()
    assert system.duration_ns == 1_500_000_000
    assert airsplit.simulate(system, "random").totals.tasks == 2 * 15 + 3


def test_errors_are_those_of_the_command_line(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scenario = airsplit.load(file)
    system = scenario.system()
    number: Any = {"x": 3}
    own: Any = LastCandidate()
    its_class: Any = LastCandidate
    text: Any = "duration_s=1"
    no_label: Any = {None: own}
    no_engine: Any = "fast"
    no_processes: Any = [3]
    no_result: Any = ["plots"]

    any_system: Any = scenario

    def process(engine: airsplit.SimpyEngine) -> Any:
        return engine.env.timeout(1)

    one_process: Any = process

    for make, expected in (
        (lambda: airsplit.load(tmp_path / "none.yaml"), "none.yaml: must be a readable file"),
        (lambda: airsplit.load(file, {"duration_s": -1}), "good.yaml: --set duration_s=-1: must be above 0"),
        (lambda: airsplit.load(file, {"seed": object()}), "seed: must be plain data"),
        (lambda: airsplit.load(file, {"a b..": 1}), "good.yaml: --set a b..=1: must look like"),
        (lambda: airsplit.load(file, text), "overrides: must be a mapping from paths to values"),
        (lambda: scenario.run(["best"]), "good.yaml: --set policies[0].type=best: must be random, "),
        (lambda: scenario.run("exact"), "policies=exact: must be a list of names or a mapping"),
        (lambda: scenario.run(["fixed"]), "good.yaml: --set policies[0].splits: must be given"),
        (lambda: scenario.run(["none:Such"]), "good.yaml: --set policies[0]: type=none:Such: must be a class"),
        (
            lambda: airsplit.load(file, {"hil": None}).run(hil="local"),
            "good.yaml: --set hil: must name workers and policies",
        ),
        (lambda: scenario.run([]), "good.yaml: --set policies=[]: must have 1 or more entries"),
        (lambda: scenario.run(number), "policies['x']: must be a policy's name or have a method decide"),
        (lambda: scenario.run({"x": its_class}), "policies['x']: must be an object, not the class LastCandidate"),
        (lambda: scenario.run([own]), "policies[0]: must be a name; objects are given by label"),
        (lambda: scenario.run(own), "policies=<"),
        (lambda: scenario.run(no_label), "policies[None]: must have text as its label"),
        (lambda: scenario.run({"": own}), "good.yaml: --set policies[0].label='': must be a name"),
        (lambda: scenario.run({"": "random"}), "good.yaml: --set policies[0].label='': must be a name"),
        (lambda: scenario.run(left_out=no_result), "left_out=['plots']: must be a list of bound and figures"),
        (lambda: airsplit.simulate(system, "best"), "type=best: must be random, "),
        (lambda: airsplit.simulate(system, "fixed"), "policy=fixed: must be a policy without settings"),
        (lambda: airsplit.simulate(system, Broken()), "type=Broken: decide raised RuntimeError: no idea"),
        (lambda: airsplit.simulate(system, its_class), "policy: must be an object, not the class LastCandidate"),
        (lambda: airsplit.simulate(any_system, own), "system: must be a system, as the method `system` of a scenario"),
        (lambda: airsplit.simulate(system, own, engine=no_engine), "engine=fast: must be compiled or simpy"),
        (lambda: airsplit.simulate(system, own, processes=one_process), "processes: must be a list of functions"),
        (lambda: airsplit.simulate(system, own, processes=no_processes), "processes: must be a list of functions"),
        (
            lambda: airsplit.simulate(system, own, processes=[process]),
            "processes[0]: must be a function with a `yield`",
        ),
    ):
        with pytest.raises(ValueError) as raised:
            make()
        assert str(raised.value).startswith(expected)
        assert "\n" not in str(raised.value)
    assert not Path("runs").exists()


def test_object_that_fails_leaves_no_finished_run(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^good\.yaml: type=.*:Broken: decide raised RuntimeError: no idea"):
        airsplit.load(file).run({"mine": Broken()}, out=tmp_path / "runs")
    assert not list(tmp_path.rglob("manifest.json"))


def test_simulation_of_a_system_has_the_rows_of_the_run(finished: airsplit.FinishedRun, tmp_path: Path) -> None:
    system = airsplit.load(finished.path.parents[2] / "good.yaml").system()
    result = airsplit.simulate(system, "random", folder=tmp_path / "kept")
    rows = finished.tasks[finished.tasks["policy"] == "random"]
    assert result.tasks["sojourn_ns"].tolist() == rows["sojourn_ns"].tolist()
    assert result.totals.tasks == len(result.tasks)
    pd.testing.assert_frame_equal(result.stages, pd.read_parquet(tmp_path / "kept" / "stages.parquet"))
    assert set(airsplit.simulate(system, LastCandidate(), label="mine").tasks["policy"]) == {"mine"}


def test_processes_of_the_user_act_on_the_engine(file: Path) -> None:
    seen = []

    def outage(engine: airsplit.SimpyEngine) -> Generator[Any]:
        seen.append(type(engine))
        engine.fail(*engine.network.devices.values())
        yield engine.env.timeout(500_000_000)
        engine.restore(*engine.network.devices.values())

    system = airsplit.load(file).system()
    delayed = airsplit.simulate(system, "random", processes=[outage]).tasks
    assert seen == [airsplit.SimpyEngine]
    assert delayed["sojourn_ns"].sum() > airsplit.simulate(system, "random").tasks["sojourn_ns"].sum()


def test_a_run_works_in_the_event_loop_of_a_notebook(file: Path, tmp_path: Path) -> None:
    async def cell() -> airsplit.FinishedRun:
        return airsplit.load(file).run(["pool1"], out=tmp_path / "runs")

    assert asyncio.run(cell()).manifest.valid


def test_traces_are_stored_under_a_path_as_text(tmp_path: Path) -> None:
    constant(1e6).save(f"{tmp_path}/t.parquet")
    assert airsplit.Trace.load(f"{tmp_path}/t.parquet").sha256 == constant(1e6).sha256


def test_every_name_of_the_interface_exists_and_is_typed() -> None:
    assert all(hasattr(airsplit, name) for name in airsplit.__all__)
    assert all((ROOT / package / "py.typed").is_file() for package in PACKAGES)
    missing = "SimpyEngines"
    with pytest.raises(AttributeError, match="has no attribute 'SimpyEngines'"):
        getattr(airsplit, missing)


def test_a_run_changes_nothing_of_the_process(file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import matplotlib as mpl

    def state() -> tuple[object, ...]:
        return signal.getsignal(signal.SIGTERM), list(sys.path), dict(os.environ), dict(mpl.rcParams), Path.cwd()

    before = state()
    airsplit.load(file).run(["pool1"], out=tmp_path / "runs")
    assert state() == before
    assert capfd.readouterr() == ("", "")
    airsplit.load(file).run(["pool1"], out=tmp_path / "runs", progress=True)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "simulating policies" in printed.err
