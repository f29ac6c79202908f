"""Columns of tokens, time to first token, and energy by consumer: closed forms, conservation laws, equal engines."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.core.units import NS_PER_MS
from emulator.device import Device
from emulator.policy import Compute, EngineName, Execution, Totals
from emulator.record import ENERGY_PARTS, Records, records_sha256
from emulator.simulation import Simulation
from emulator.simulation.replayed_compute import Replayed
from emulator.system import System
from emulator.task import Placement, Task, parse, passes
from emulator.trace import constant
from emulator.workload import Recorded, Stream
from tests.emulator.stored_systems import stored_case
from tests.emulator.systems import CHAT, IMAGE, Fixed, Row, pairs, with_stream

ENGINES: tuple[EngineName, ...] = ("compiled", "simpy")
BYTE_NS = 1_000  # of a link of 8 Mbit/s
PLACES = ("ue1:0-4", "edge1:0-4", "ue1:0-2|edge1:2-4", "edge1:0-1|ue1:1-4", "ue1:0-1|edge1:1-2|ue1:2-4")


def run(
    system: System, policy: Any, engine: EngineName, folder: Path, compute: Compute | None = None
) -> tuple[Totals, list[Row], list[Row]]:
    with Records(folder) as records:
        totals = Simulation(system, compute, engine).run(policy, "x", records)
    tasks, stages = (pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("tasks", "stages"))
    return totals, tasks, stages


def chat(prompt: int, output: int) -> System:
    """Return a system in which one UE asks for one text, over links of 8 Mbit/s without delay."""
    system = with_stream(pairs(1), Stream("ue1", CHAT, Recorded((5,), (prompt,), (output,))))
    return replace(system, links=tuple(replace(link, trace=constant(8e6), delay_ns=0) for link in system.links))


def first_token_ns(system: System, prompt: int, place: str) -> int:
    """Return the time of the first pass through all partitions of a task alone: its messages and its computations."""
    last_node, total_ns = "ue1", 0
    for node, first, stop, _ in parse(place):
        size_bytes = CHAT.model.activation_bytes(first, prompt, "int8") if first else 4 * prompt
        spec = system.nodes[node].device
        assert spec is not None
        device = Device.standalone(spec, system.models)
        total_ns += size_bytes * BYTE_NS if node != last_node else 0
        total_ns += device.service_ns("llama", first, stop, prompt, prompt // 2)
        last_node = node
    return total_ns


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 9), st.sampled_from(PLACES))
def test_field_time_to_first_token_is_that_of_the_first_pass(prompt: int, output: int, place: str) -> None:
    system = chat(prompt, output)
    for engine in ENGINES:
        with TemporaryDirectory() as folder:
            _, (row,), _ = run(system, Fixed({("ue1", "chat"): parse(place)}), engine, Path(folder))
        assert (row["prompt_tokens"], row["output_tokens"]) == (prompt, output)
        assert row["ttft_ns"] == first_token_ns(system, prompt, place) <= row["sojourn_ns"]
        if output == 1 and place.startswith("ue1") and place.endswith("4") and "|" not in place:
            assert row["ttft_ns"] == row["sojourn_ns"]


class Measured:
    """Pass k takes k + 1 ms in partition 0 and 10 times that in the others; task 2 loses its worker."""

    def execute(self, task: Task, placement: Placement) -> Execution:
        if task.number == 2:
            return Execution((), "measured", 1, "worker lost")
        factors = [1, 10, 10][: len(placement)]
        return Execution([[(k + 1) * f * NS_PER_MS for f in factors] for k, _ in enumerate(passes(task))], "mixed")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("place", "expected_ms"), [("ue1:0-4", 1), ("ue1:0-2|edge1:2-4", 11)])
def test_field_measured_first_pass_gives_the_time_to_first_token(
    engine: EngineName, place: str, expected_ms: int, tmp_path: Path
) -> None:
    arrivals = Recorded((0, 10**9, 2 * 10**9 - 1), (12, 12, 12), (3, 1, 3))
    system = replace(with_stream(pairs(1), Stream("ue1", CHAT, arrivals)), duration_ns=2 * 10**9)
    system = replace(system, links=tuple(replace(link, trace=constant(8e6), delay_ns=0) for link in system.links))
    policy = Fixed({("ue1", "chat"): parse(place)})
    message_ns = CHAT.model.activation_bytes(2, 12, "int8") * BYTE_NS if "|" in place else 0
    _, rows, _ = run(system, policy, engine, tmp_path, Measured())
    assert [row["ttft_ns"] for row in rows] == [expected_ms * NS_PER_MS + message_ns] * 2 + [None]
    assert [row["output_tokens"] for row in rows] == [3, 1, 3]


def test_field_tasks_without_tokens_have_none(tmp_path: Path) -> None:
    system = with_stream(pairs(1), Stream("ue1", IMAGE, Recorded((0,))))
    for engine in ENGINES:
        _, (row,), _ = run(system, Fixed({("ue1", "image"): parse("edge1:0-5")}), engine, tmp_path)
        assert (row["prompt_tokens"], row["output_tokens"], row["ttft_ns"]) == (None, None, None)


def with_a_cloud(number: int) -> tuple[System, Any, Any]:
    """Return a stored case whose server `cloud`, if it has one, is in the cloud, and whose devices idle for free."""
    system, policy, compute = stored_case(number)
    nodes = {
        name: replace(
            node,
            role="cloud" if name == "cloud" else node.role,
            device=node.device and replace(node.device, idle_power_w=0.0),
        )
        for name, node in system.nodes.items()
    }
    return replace(system, nodes=nodes), policy, compute


@pytest.mark.parametrize("number", range(0, 200, 9))
def test_field_engines_agree_and_no_energy_is_lost(number: int, tmp_path: Path) -> None:
    """Of each row, the parts add up to the energy; of a run without failures, what tasks drew by consumer is what the
    devices drew."""
    digests, totals = [], []
    for engine in ENGINES:
        system, policy, compute = with_a_cloud(number)
        folder = tmp_path / engine
        folder.mkdir()
        total, tasks, stages = run(system, policy, engine, folder, compute)
        digests.append(records_sha256([folder / "tasks.parquet", folder / "stages.parquet"]))
        totals.append(total)
    assert digests[0] == digests[1] and totals[0] == totals[1]
    for row in (*tasks, *stages):
        assert sum(row[part] for part in ENERGY_PARTS) == pytest.approx(row["energy_j"], rel=1e-12, abs=1e-15)
    drawn = dict.fromkeys(ENERGY_PARTS, 0.0)
    for name, node in system.nodes.items():
        if node.device is not None:
            of_role = {"ue": ("energy_ue_compute_j", "energy_ue_radio_j"), "cloud": ("energy_cloud_j",) * 2}
            computer, radio = of_role.get(node.role, ("energy_edge_j",) * 2)
            drawn[computer] += total.device_energy_j[name]
            drawn[radio] += total.device_radio_j[name]
    for part in ENERGY_PARTS if not system.failures else ():
        assert sum(row[part] for row in tasks) == pytest.approx(drawn[part], rel=1e-9, abs=1e-12)


def test_field_rerun_repeats_the_time_to_first_token(tmp_path: Path) -> None:
    """As `airsplit rerun` does of a run of hardware in the loop, from what its rows say."""

    class Prefill:
        """Workers measure the first pass; the others are modelled."""

        def execute(self, task: Task, placement: Placement) -> Execution:
            devices = {node: Device.standalone(spec, system.models) for node, spec in specs.items()}
            later = [
                [devices[n].service_ns("llama", a, b, *each) for n, a, b, _ in placement] for each in passes(task)[1:]
            ]
            return Execution([[7 * NS_PER_MS] * len(placement), *later], "mixed")

    system = chat(12, 4)
    specs = {name: node.device for name, node in system.nodes.items() if node.device is not None}
    for place in PLACES[:3]:
        digests = []
        for name in ("first", "again"):
            folder = tmp_path / place.replace("|", "-") / name
            folder.mkdir(parents=True)
            compute = Prefill() if name == "first" else Replayed(folder.parent / "first", "x", system)
            run(system, Fixed({("ue1", "chat"): parse(place)}), "compiled", folder, compute)
            digests.append(records_sha256([folder / "tasks.parquet"]))
        assert digests[0] == digests[1]
