"""A relay whose hosts are sockets of the test: needs no root, and the test controls every byte."""

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.realtime.relay import Relay, RelayCounts
from emulator.realtime.relay.frames import MAX_FRAME_BYTES
from emulator.system import CellSpec, LinkSpec
from emulator.trace import constant

SEED = 5
DURATION_NS = 60 * NS_PER_S
TIMEOUT_S = 10.0
BUFFER_BYTES = 4_000_000
FAST = LinkSpec("a", "b", constant(1e12))

Columns = dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]]


class LinkSockets(NamedTuple):
    """Sockets at both ends of a link."""

    near: socket.socket
    far: socket.socket

    def send(self, *frames: bytes) -> None:
        for frame in frames:
            self.near.send(frame)

    def receive(self, count: int) -> list[bytes]:
        """Receive `count` frames. Raises TimeoutError."""
        return [self.far.recv(MAX_FRAME_BYTES) for _ in range(count)]

    def is_silent(self) -> bool:
        """Whether no frame waits."""
        self.far.setblocking(False)
        try:
            return not self.far.recv(MAX_FRAME_BYTES)
        except BlockingIOError:
            return True
        finally:
            self.far.settimeout(TIMEOUT_S)


class SocketRelay(NamedTuple):
    """A relay and the sockets of its links."""

    relay: Relay
    links: Sequence[LinkSockets]

    def begin(self, log: Path) -> None:
        """Begin a run and wait for its start."""
        start_ns = time.monotonic_ns() + 20 * NS_PER_MS
        self.relay.begin(start_ns, log)
        time.sleep(max(0, start_ns - time.monotonic_ns()) / NS_PER_S)

    def end(self, log: Path) -> tuple[RelayCounts, Columns]:
        """End the run; return its counts, and its log in the order of arrivals."""
        ended = self.relay.end()
        table = pq.read_table(log).sort_by("order")
        return ended, {name: table[name].to_numpy() for name in table.column_names}


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets that preserve frames, as an interface does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    ours.settimeout(TIMEOUT_S)
    theirs.setblocking(False)
    return ours, theirs


@contextmanager
def wires(links: Sequence[LinkSpec], cells: Mapping[str, CellSpec] | None = None) -> Iterator[SocketRelay]:
    """Open a relay of these links with sockets at their ends."""
    with ExitStack() as stack:
        relay = stack.enter_context(Relay(links, cells or {}, SEED, DURATION_NS))
        ends = []
        for link in range(len(links)):
            near, source = pair()
            far, target = pair()
            with source, target:
                relay.attach(link, source.fileno(), target.fileno())
            ends.append(LinkSockets(stack.enter_context(near), stack.enter_context(far)))
        yield SocketRelay(relay, ends)
