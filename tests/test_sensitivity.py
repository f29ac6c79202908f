"""Variants of scenarios, simulated beside them."""

import json
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import airsplit
from airsplit import assumptions
from airsplit.assumptions import ANY, ASSUMPTIONS, Assumption, same_paths, variants_of
from airsplit.cli import app
from airsplit.sensitivity import Job, simulate, tasks_of_run
from airsplit.simulation_run import run_simulation
from emulator.core.processes import in_processes
from results.progress import RunProgress
from results.run.folder import open_run, verify
from results.sensitivity import variant_rows
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.loading.loader import load

TOPOLOGIES = Path(assumptions.__file__).parents[1] / "topologies"
ALL_DEVICE = (
    "policies=[{type: all-device}]",
    "hil=null",
    "devices.phone.memory_mb=8000",
    "devices.phone.layer_overhead_us=30",
    "tasks[0].arrivals={periodic: {interval_ms: 1000}}",
    "tasks[1].arrivals={periodic: {interval_ms: 1000, phase_ms: 500}}",
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path / "good.yaml"


def tasks_of(file: Path, *overrides: str) -> pd.DataFrame:
    tasks = simulate(Job(file, overrides, 1, False))
    assert isinstance(tasks, pd.DataFrame), tasks
    return tasks.assign(seed=1)


def change(file: Path, present: tuple[str, ...], assumption: str, setting: str) -> dict[str, object]:
    """Return what a variant changes for the first policy."""
    scenario = load(file, present)
    (overrides,) = (
        each.overrides for each in variants_of(scenario)[0] if (each.assumption, each.setting) == (assumption, setting)
    )
    varied = tasks_of(file, *present, *overrides)
    return variant_rows(tasks_of(file, *present), varied, scenario.labels[:1])[0]


def test_the_weight_of_quality_is_halved_and_doubled(file: Path) -> None:
    present = ("tasks[0].model=resnet8-fashion", "tasks[0].cuts=[3]", "cost.quality_s={image: 1.5}", "hil=null")
    variants = variants_of(load(file, present))[0]
    found = {each.setting: each.overrides for each in variants if each.assumption == "weight of quality"}
    assert found == {"half": ("cost.quality_s.image=0.75",), "double": ("cost.quality_s.image=3.0",)}
    assert "weight of quality" in variants_of(load(file))[1]


@pytest.mark.parametrize("name", ["quickstart", "many-ues"])
def test_every_variant_of_a_shipped_scenario_is_a_scenario(name: str) -> None:
    variants, left_out = variants_of(load(TOPOLOGIES / f"{name}.yaml"))
    assert {each.assumption for each in variants} | left_out.keys() == {each.name for each in ASSUMPTIONS}
    assert not {each.assumption for each in variants} & left_out.keys()
    for each in variants:
        load(TOPOLOGIES / f"{name}.yaml", each.overrides)
    assert len({each.name for each in variants}) == len(variants)


def test_a_computer_twice_as_fast_halves_service(file: Path) -> None:
    """Without messages and queueing, the cost is the service: half of it, to the rounding of each layer to ns."""
    assert change(file, ALL_DEVICE, "UE's computer", "double")["change"] == pytest.approx(-0.5, abs=1e-6)
    assert change(file, ALL_DEVICE, "UE's computer", "half")["change"] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("assumption", "setting"), [("servers", "double"), ("bandwidth", "10 MHz")])
def test_what_a_policy_does_not_use_changes_exactly_nothing(file: Path, assumption: str, setting: str) -> None:
    row = change(file, ALL_DEVICE, assumption, setting)
    assert (row["moved"], row["change"], row["order"]) == (0, 0, "")


def test_assumptions_on_a_channel_do_not_apply_to_a_recording(file: Path) -> None:
    variants, left_out = variants_of(load(file, ("links[0].uplink.rate_mbps=20",)))
    assert {each.assumption for each in variants} == {"UE's computer", "servers", "activations"}
    assert left_out["bandwidth"] == "needs a generated channel"
    assert left_out["noise rise"] == "needs a generated uplink"
    uplink_alone = variants_of(load(file))[1]
    assert uplink_alone["site power"] == "needs a generated downlink"
    assert uplink_alone["beams"] == "needs a generated channel, an antenna array"


def test_neighbours_and_tdd_are_varied_where_there_are_any(file: Path) -> None:
    sites = ("links[0].downlink=null", "cells.gnb.sites_m=[[0, 0], [200, 0]]", "cells.gnb.tdd=DDSUU")
    names = {each.name for each in variants_of(load(file, (*sites, "cells.gnb.array={columns: 8}")))[0]}
    assert names >= {"noise rise, 0 dB instead of default", "noise rise, 6 dB instead of default"}
    assert names >= {"beams, 4 instead of 8", "beams, 16 instead of 8"}
    assert names >= {"neighbours' load, 0.1 instead of 0.5", "neighbours' load, 1 instead of 0.5"}
    assert names >= {f"TDD pattern, {each} instead of DDSUU" for each in ("DDDSU", "DDDDDDDSUU")}
    alone = ("links[0].downlink=null", "cells.gnb.sites_m=[[0, 0]]", 'cells.gnb.tdd=""')
    left_out = variants_of(load(file, alone))[1]
    assert left_out == {
        "neighbours' load": "needs a generated channel, several sites",
        "beams": "needs a generated channel, an antenna array",
        "TDD pattern": "needs a generated channel with TDD",
        "weight of quality": "needs a cost of quality",
        "weight of energy": "needs a cost of energy",
    }


def test_several_values_of_an_assumption_are_all_named() -> None:
    variants, _ = variants_of(load(TOPOLOGIES / "quickstart.yaml"))
    assert {each.name for each in variants} >= {
        "servers, double instead of 300/75/150 GFLOP/s",
        "noise figure, +2 dB instead of 5/7 dB",
        "delay spread, 30 ns instead of default",
        "grants, none instead of given",
    }


def test_results_do_not_depend_on_the_number_of_processes(file: Path) -> None:
    """A job that fails is a line in its place."""
    jobs = [Job(file, overrides, 1, False) for overrides in (ALL_DEVICE, ("cells.gnb.bandwidth_mhz=41",))]
    one, two = (in_processes(simulate, jobs, processes, lambda *_: None) for processes in (1, 2))
    for first, second, here in zip(one, two, map(simulate, jobs), strict=True):
        if isinstance(first, str):
            assert first == second == here
        else:
            assert isinstance(second, pd.DataFrame) and isinstance(here, pd.DataFrame)
            pd.testing.assert_frame_equal(first, second)
            pd.testing.assert_frame_equal(first, here)
    assert "bandwidth_mhz" in str(one[1]) and "\n" not in str(one[1])


def test_tasks_of_a_run_are_those_that_a_process_would_simulate(file: Path, tmp_path: Path) -> None:
    """So the first seed is simulated once. Policies that a variant does not have do not matter."""
    policies = "policies=[{type: random}, {type: greedy}, {type: exact}]"
    run = run_simulation(load(file, (policies, "hil=null"), 7), file, tmp_path, (), RunProgress(quiet=True))
    alone = simulate(Job(file, ("policies=[{type: random}, {type: exact}]", "hil=null"), 7, False))
    assert isinstance(alone, pd.DataFrame)
    pd.testing.assert_frame_equal(tasks_of_run(run, {"random", "exact"}), alone)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_process_leaves_its_variant_out(
    processes: int, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy that kills its process on slow computers, as the kernel does for want of memory."""
    (tmp_path / "deadly.py").write_text(
        "import os, signal\n"
        "class Deadly:\n"
        "    def decide(self, observation):\n"
        "        if observation.service_ns('ue1', 0, 1, 1, 0) > 500_000_000:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return observation.candidates[0]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))  # of the processes, too
    policies = ("policies=[{type: 'deadly:Deadly'}]", "hil=null")
    slow = "devices.phone.layer_overhead_us=1000000"
    jobs = [Job(file, (*policies, *each), 1, False) for each in ((), (slow,), ())]
    (scratch := tmp_path / "scratch").mkdir()
    found = in_processes(partial(simulate, scratch=scratch), jobs, processes, lambda *_: None)
    assert len(list(scratch.iterdir())) == 1  # the killed one leaves its records where the command removes them
    one, killed, other = found
    assert killed == "its process ended (SIGKILL)"
    assert isinstance(one, pd.DataFrame) and isinstance(other, pd.DataFrame)
    pd.testing.assert_frame_equal(one, other)


def test_a_run_reports_what_it_stands_on(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--sensitivity`: all policies have a summary, those without training are compared, over five seeds."""
    narrow = Assumption("noise", "", "", ANY, *same_paths("cells.*.noise_rise_db")(lambda *_: 3.0, lambda *_: 6.0))
    monkeypatch.setattr(assumptions, "ASSUMPTIONS", (narrow,))
    words = ["run", str(file), "--sensitivity", "--no-figures", "--quiet", "--json", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, [*words, "--set", "hil=null"], catch_exceptions=False)
    found = json.loads(result.stdout)
    assert {row["setting"] for row in found["sensitivity"]} == {"3", "6"}
    assert {row["policy"] for row in found["summary"]} == {"random", "pool1"}
    run = open_run(Path(found["run"]))
    verify(run)
    assert run.manifest.seeds["scenario"] == 1 and not list((run.path / "figures").iterdir())
    assert "What the result stands on" in (run.path / "report.html").read_text()


def test_a_run_on_workers_cannot_be_varied(file: Path) -> None:
    result = CliRunner().invoke(app, ["run", str(file), "--hil", "local", "--sensitivity"])
    assert str(result.exception).startswith("--sensitivity: must not be given beside --hil")


def test_a_command_reports_what_it_varied(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Assumption("broken", "", "", ANY, *same_paths("cells.*.noise_rise_db")(lambda *_: 1000.0, lambda *_: 3.0))
    nowhere = broken._replace(name="empty", needs="a rocket", where=lambda _: set())
    monkeypatch.setattr(assumptions, "ASSUMPTIONS", (broken, nowhere))
    words = ["sensitivity", str(file), "--seeds", "1", "--jobs", "1", "--out", str(tmp_path), "--quiet", "--json"]
    policies = "policies=[{type: random}, {type: exact}, {type: ppo}]"
    result = CliRunner().invoke(app, [*words, "--set", policies, "--set", "hil=null"], catch_exceptions=False)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    rows = found["sensitivity"]
    assert [(row["assumption"], row["setting"], row["policy"]) for row in rows if not row["left_out"]] in (
        [("broken", "3", "exact")],
        [("broken", "3", "random"), ("broken", "3", "exact")],
    )
    reasons = {row["setting"]: row["left_out"] for row in rows if row["left_out"]}
    assert reasons[""] == "needs a rocket"
    assert "--set cells.gnb.noise_rise_db=1000" in reasons["1000"]
    run = open_run(Path(found["run"]))
    verify(run)
    assert set(run.manifest.facts.policies) == {"random", "exact"}
    assert "What the result stands on" in (run.path / "report.html").read_text()
    assert {path.stem for path in (run.path / "figures").iterdir()} >= {"sensitivity", "sensitivity-column"}
    assert airsplit.open_run(run.path).manifest.valid


def test_policies_that_need_training_are_refused(file: Path, tmp_path: Path) -> None:
    words = ["sensitivity", str(file), "--out", str(tmp_path), "--quiet", "--set", "policies=[{type: ppo}]"]
    result = CliRunner().invoke(app, [*words, "--set", "hil=null"])
    assert str(result.exception) == "policies: must have one that needs no training"
    result = CliRunner().invoke(app, ["sensitivity", str(file), "--out", str(tmp_path), "--policy", "ppo"])
    assert str(result.exception) == "--policy ppo: must be one of random, pool1, which need no training"
