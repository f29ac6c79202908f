"""The Python interface under load and misuse: many runs, several at once, interruptions, arguments of other types."""

import multiprocessing
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import airsplit
from emulator.simulation.simpy_engine import Events
from tests.emulator.systems import pairs
from tests.test_field_runs import SMALL

RUNS, GROWTH_KIB = 20, 4_096  # a leak of one run's tables would show as more


def idle(engine: airsplit.SimpyEngine) -> Events:
    yield engine.env.timeout(1)


def endless(engine: airsplit.SimpyEngine) -> Events:
    while True:
        yield engine.env.timeout(0)


def broken(engine: airsplit.SimpyEngine) -> Events:
    yield engine.env.timeout(1)
    raise RuntimeError("out of order")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def resident_kib() -> int:
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0])


def sojourns_ns(seed: int) -> list[int]:
    return list(airsplit.simulate(pairs(2, seed), "exact").tasks["sojourn_ns"])


def run_digest(file: str) -> str:
    run = airsplit.load(file).run(["random"], out=Path(file).parent / "runs", left_out=["bound", "figures"])
    return run.manifest.records_sha256


def test_field_many_runs_in_a_process_take_the_memory_of_one() -> None:
    system = pairs(1, duration_ns=200_000_000)

    def run_all() -> None:
        for _ in range(RUNS):
            airsplit.simulate(system, "exact")
            airsplit.simulate(system, "exact", processes=[idle])
            with pytest.raises(RuntimeError):
                airsplit.simulate(system, "exact", processes=[broken])

    run_all()
    before = resident_kib()
    run_all()
    assert resident_kib() - before < GROWTH_KIB


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_field_runs_in_child_processes_are_those_of_their_parent(method: str) -> None:
    expected = [sojourns_ns(seed) for seed in (1, 2)]
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(sojourns_ns, (1, 2)) == expected


def test_field_two_processes_run_a_scenario_at_once(file: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        digests = pool.map(run_digest, [str(file)] * 2)
    assert digests[0] == digests[1]
    folders = list((file.parent / "runs" / "good").iterdir())
    assert len(folders) == 2
    assert [airsplit.open_run(folder).manifest.records_sha256 for folder in folders] == digests


def test_field_ctrl_c_ends_a_process_that_lets_no_time_pass() -> None:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 1)
    try:
        with pytest.raises(KeyboardInterrupt):
            airsplit.simulate(pairs(1), "exact", processes=[endless])
    finally:
        signal.signal(signal.SIGALRM, before)


def test_field_processes_that_an_iterator_yields_are_not_lost() -> None:
    def generated() -> Iterator[Any]:
        yield broken

    processes: Any = generated()
    with pytest.raises(ValueError, match=r"^processes: must be a list of functions$"):
        airsplit.simulate(pairs(1), "exact", processes=processes)


@pytest.mark.parametrize("label", [5, b"mine", Path("mine")])
def test_field_a_label_is_text(label: Any) -> None:
    with pytest.raises(ValueError, match=r"^label=.*: must be text$"):
        airsplit.simulate(pairs(1), "exact", label=label)


def test_field_a_seed_may_be_a_number_of_numpy(file: Path) -> None:
    scenario = airsplit.load(file)
    seeds: tuple[Any, ...] = 5, np.int64(5)
    runs = [
        scenario.run(["random"], seed=each, out=file.parent / "runs", left_out=["bound", "figures"]) for each in seeds
    ]
    assert runs[0].manifest.records_sha256 == runs[1].manifest.records_sha256
    assert runs[0].manifest.command == runs[1].manifest.command
    bad: Any = np.float64(1.5)
    with pytest.raises(ValueError, match=r"^good\.yaml: .*seed=1\.5: must be a whole number$"):
        scenario.run(seed=bad, out=file.parent / "runs")


def test_field_a_summary_that_is_missing_is_made_again(file: Path) -> None:
    run = airsplit.load(file).run(["random"], out=file.parent / "runs", left_out=["bound", "figures"])
    before = (run.path / "summary.csv").read_bytes()
    (run.path / "summary.csv").unlink()
    assert len(airsplit.open_run(run.path).summary) == 1
    assert (run.path / "summary.csv").read_bytes() == before
