"""Processes of a user's own that err: the run ends with their own error, and never with wrong rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.units import NS_PER_MS
from emulator.simulation.clock import Clock
from emulator.simulation.network import Network
from emulator.simulation.simpy_engine import Events, SimpyEngine
from emulator.trace import Trace
from tests.emulator.simulation.test_engines import run_alone
from tests.emulator.stored_systems import stored_case


class NotCopied(Exception):
    """An exception that cannot be made again from its text alone."""

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(f"{node}: {reason}")


def at_3_ms(act: Callable[[SimpyEngine], Any]) -> Callable[[SimpyEngine], Events]:
    def process(engine: SimpyEngine) -> Events:
        yield engine.env.timeout(3 * NS_PER_MS)
        act(engine)

    return process


def link(engine: SimpyEngine) -> Any:
    return engine.network.links["ue1", "edge1"]


def submit(engine: SimpyEngine, first: int, stop: int, service_ns: int) -> None:
    engine.network.devices["edge1"].submit(engine.env.now, "convnet", first, stop, service_ns)


def test_field_an_exception_of_a_process_is_raised_itself(tmp_path: Path) -> None:
    error = NotCopied("edge1", "on fire")

    def fail(_: SimpyEngine) -> None:
        raise error

    with pytest.raises(NotCopied) as raised:
        run_alone(at_3_ms(fail), tmp_path)
    assert raised.value is error


def test_field_a_process_ends_early_and_another_goes_on(tmp_path: Path) -> None:
    def start_another(engine: SimpyEngine) -> None:
        engine.env.process(at_3_ms(lambda engine: engine.fail(link(engine)))(engine))

    (row,) = run_alone(at_3_ms(start_another), tmp_path, on_failure="fail")
    assert (row["reason"], row["sojourn_ns"]) == ("link down", 6 * NS_PER_MS)


@pytest.mark.parametrize("delay", [-1, 0.5, 2**63, 10**30, float("inf"), float("nan"), None, "5", 1j])
def test_field_a_timeout_that_is_no_time_is_refused(delay: Any) -> None:
    with pytest.raises(ValueError, match=r"^timeout\(.*\): must be a whole number of nanoseconds"):
        Clock().timeout(delay)


@given(st.integers(0, 2**62), st.sampled_from([int, np.int64, np.uint64]))
def test_field_whole_numbers_of_any_type_are_times(delay: int, kind: Callable[[int], int]) -> None:
    clock = Clock()
    clock.timeout(kind(delay))
    clock.run()
    assert clock.now == delay


def test_field_time_ends_before_64_bits_do() -> None:
    clock = Clock()
    clock.timeout(2**62)
    clock.run()
    with pytest.raises(ValueError, match="before 2"):
        clock.timeout(2**62)


@pytest.mark.parametrize("size_bytes", [0, -5, 1.5, float("nan"), float("inf"), 2**70])
def test_field_a_message_has_a_whole_number_of_bytes(size_bytes: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^size_bytes=.*: must be a whole number from 1 to 2\^63$"):
        run_alone(at_3_ms(lambda engine: engine.send(link(engine), size_bytes)), tmp_path)


@pytest.mark.parametrize("rate_bps", [0, -5.0, 1e25, float("inf"), float("nan")])
def test_field_a_rate_is_above_0_and_finite(rate_bps: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^rate_bps=.*: must be above 0"):
        run_alone(at_3_ms(lambda engine: engine.set_rate(link(engine), rate_bps)), tmp_path)


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        ((0, 1, -1), "service_ns=-1: must not be negative"),
        ((3, 99, 5), "layers 3-99: must be some of the 5 layers of convnet"),
        ((-1, 2, 5), "layers -1-2: must be some of the 5 layers of convnet"),
        ((2, 2, 5), "layers 2-2: must be some of the 5 layers of convnet"),
    ],
)
def test_field_load_on_a_device_is_of_layers_that_exist(
    load: tuple[int, int, int], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError) as raised:
        run_alone(at_3_ms(lambda engine: submit(engine, *load)), tmp_path)
    assert str(raised.value) == expected


def test_field_what_waits_in_a_cell_is_sent_one_day() -> None:
    """A trace that carries nothing would let the tasks in the cell wait, and the cell decide slots, for ever."""
    network = Network(stored_case(3)[0])
    shared = next(each for each in network.links.values() if each.spec.cell)
    dark = Trace(shared.spec.trace.slot_ns, {"capacity_bits": np.zeros(3, np.int64)}, "slot")
    with pytest.raises(ValueError, match="must carry something in a cell; let the link fail instead"):
        shared.set_trace(dark, 0)
