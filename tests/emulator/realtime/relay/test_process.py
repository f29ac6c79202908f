"""The relay's process counts packets for which memory or log are too small, and goes on."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from emulator.core.units import NS_PER_S
from emulator.realtime.relay.ipc import receive, send
from emulator.realtime.relay.log_writer import ROW_GROUP_ROWS, LogWriter
from emulator.realtime.relay.packet_queues import MAX_CHUNKS
from emulator.realtime.relay.process import RelayProcess
from emulator.realtime.relay.state import LOG_ROW, SCALARS
from tests.emulator.realtime.segments import Segment, datagram, on_the_wire, segments, superframe
from tests.emulator.realtime.wires import FAST, LinkSockets, pair


class Handle:
    """The handle of a relay process that runs in a thread of the test."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    def request(self, request: str, *arguments: object, descriptors: tuple[int, ...] = ()) -> Any:
        send(self._control, (request, arguments), descriptors)
        (failure, answer), _ = receive(self._control)
        assert not failure
        return answer


@contextmanager
def running(process: RelayProcess, control: socket.socket) -> Iterator[tuple[Handle, LinkSockets]]:
    """Run the process; yield its handle and the ends of its one link."""
    thread = Thread(target=process.run)
    thread.start()
    (near, source), (far, target) = pair(), pair()
    try:
        with near, source, far, target:
            handle = Handle(control)
            handle.request("attach", 0, descriptors=(source.fileno(), target.fileno()))
            yield handle, LinkSockets(near, far)
    finally:
        control.close()
        thread.join()


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_rows_that_the_log_was_too_slow_for_are_counted(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        process = RelayProcess(theirs, [FAST], {}, 1, NS_PER_S)
        process.state = process.state._replace(log_ring=np.zeros(5, LOG_ROW))
        with running(process, ours) as (handle, wire):
            handle.request("begin", time.monotonic_ns(), tmp_path / "log")
            wire.send(superframe(Segment(payload=bytes(9_000)), 1_000))
            wire.receive(1)
            packets, unlogged, *_ = handle.request("end")
            assert (packets, unlogged) == (9, 4)
            assert pq.read_table(tmp_path / "log")["number"].to_pylist() == [0, 1, 2, 3, 4]


def test_rows_are_taken_during_a_run_so_that_the_ring_can_be_used_again(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        process = RelayProcess(theirs, [FAST], {}, 1, NS_PER_S)
        process.state = process.state._replace(log_ring=np.zeros(ROW_GROUP_ROWS + 80_000, LOG_ROW))
        with running(process, ours) as (handle, wire):
            handle.request("begin", time.monotonic_ns(), tmp_path / "log")
            frame = superframe(Segment(payload=bytes(10_000)), 1)
            for first, stop in ((0, 18), (18, 28)):
                wire.send(*[frame] * (stop - first))
                wire.receive(stop - first)
                give_up = time.monotonic() + 10
                while first == process.state.scalars["stored_rows"][0] == 0 and time.monotonic() < give_up:
                    time.sleep(0.01)
            packets, unlogged, *_ = handle.request("end")
            assert (packets, unlogged) == (280_000, 0)
    assert pq.read_table(tmp_path / "log")["number"].to_pylist() == list(range(280_000))


def test_packets_that_find_no_memory_are_counted_and_later_ones_go_on(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        process = RelayProcess(theirs, [FAST], {}, 1, NS_PER_S)
        process.state.queues.chunk_store["used"] = MAX_CHUNKS
        with running(process, ours) as (handle, wire):
            handle.request("begin", time.monotonic_ns(), tmp_path / "log")
            wire.send(superframe(Segment(payload=bytes(9_000)), 1_000), datagram(100))
            time.sleep(0.02)
            process.state.queues.chunk_store["used"] = 1
            wire.send(datagram(100))
            wire.receive(1)
            packets, unlogged, overflowed, *_ = handle.request("end")
            assert (packets, unlogged, overflowed) == (1, 0, 10)


def test_room_for_packets_comes_back_when_they_have_left(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        process = RelayProcess(theirs, [FAST], {}, 1, NS_PER_S)
        queues = process.state.queues
        process.state = process.state._replace(queues=queues._replace(packets=queues.packets[:91]))
        frame = superframe(Segment(payload=bytes(60_000)), 1_000)
        with running(process, ours) as (handle, wire):
            handle.request("begin", time.monotonic_ns(), tmp_path / "log")
            for _ in range(5):
                wire.send(frame)
                wire.receive(1)
            packets, _, overflowed, *_ = handle.request("end")
            assert (packets, overflowed) == (5 * 60, 0)


def test_a_superframe_fills_what_room_there_is_and_the_rest_is_counted(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    whole = Segment(payload=bytes(range(200)) * 5)
    with theirs:
        process = RelayProcess(theirs, [FAST], {}, 1, NS_PER_S)
        queues = process.state.queues
        process.state = process.state._replace(queues=queues._replace(packets=queues.packets[:8]))
        with running(process, ours) as (handle, wire):
            handle.request("begin", time.monotonic_ns(), tmp_path / "log")
            wire.send(superframe(whole, 100))
            received = on_the_wire(wire.receive(1)[0])
            assert received == [segment.packet() for segment in segments(whole, 100)[:7]]
            packets, _, overflowed, *_ = handle.request("end")
            assert (packets, overflowed) == (7, 3)
    assert pq.read_table(tmp_path / "log")["number"].to_pylist() == list(range(7))


def test_a_log_that_fails_for_whatever_reason_is_said(tmp_path: Path) -> None:
    scalars = np.zeros(1, SCALARS)
    without_outcome = np.zeros(5, [(name, LOG_ROW[name]) for name in LOG_ROW.fields or {} if name != "outcome"])
    log = LogWriter(tmp_path / "log", scalars, without_outcome)
    scalars["published_rows"] = 3
    with pytest.raises(ValueError, match="outcome"):
        log.finish()


def test_a_log_that_cannot_be_finished_is_said(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        process = RelayProcess(theirs, [FAST], {}, 1, NS_PER_S)
        with running(process, ours) as (handle, wire):
            handle.request("begin", time.monotonic_ns(), tmp_path / "log")
            wire.send(*[datagram(100)] * 200)
            wire.receive(200)
            with files_of_at_most(100):
                send(ours, ("end", ()))
                (failure, _), _ = receive(ours)
            assert "File too large" in failure
            assert "\n" not in failure
            handle.request("begin", time.monotonic_ns(), tmp_path / "log")
            assert handle.request("end")[0] == 0
