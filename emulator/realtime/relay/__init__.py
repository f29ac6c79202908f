"""The relay: links in real time. It reads frames that hosts send from TAP interfaces, and writes each packet to the
other end of its link when the link model of the simulation delivers it. The relay runs in a process of its own
(`process`); this module is its handle in other processes. `emulator/core/compiled.py` explains how its loop is compiled
(`entry_point`, `in_place`, `unlocked`, `Bound`)."""

import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, NamedTuple, Self

from emulator.core.sources import own_process
from emulator.realtime.relay.ipc import receive, send
from emulator.system import CellSpec, LinkSpec

EXIT_TIMEOUT_S = 10.0


class RelayFailed(RuntimeError):
    """The relay refused a request, with the reason in one line, and goes on; or its process has ended."""


class RelayCounts(NamedTuple):
    """Totals of a run. `packets` were offered to their links; each has a row in the log except the `unlogged`, for
    which the log was too slow. `overflowed` further packets found no memory and never reached the link model.
    `non_ipv4` counts frames. `broken`: links whose interface disappeared before the end, in ascending order."""

    packets: int
    unlogged: int
    overflowed: int
    non_ipv4: int
    broken: tuple[int, ...]


class Relay:
    """Links and cells in real time. On leaving a `with` block, the relay process ends. All methods raise RelayFailed.
    Before time 0 of a run and after each `end`, IPv4 packets and ARP are passed on at once; other frames are
    always dropped.

    `scheduling` says how the kernel schedules the process."""

    scheduling: str

    def __init__(self, links: Sequence[LinkSpec], cells: Mapping[str, CellSpec], seed: int, duration_ns: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = own_process("emulator.realtime.relay.process", str(theirs.fileno()))
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        self._control = ours
        self._lock = Lock()
        try:
            self.scheduling = self._request("open", tuple(links), dict(cells), seed, duration_ns)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def attach(self, link: int, source: int, target: int) -> None:
        """Carry frames read from `source` over the link and write them to `target`: descriptors of TAP interfaces
        (`open_tap`), of which the relay keeps copies. Possible at any time; a later call replaces both."""
        self._request("attach", link, descriptors=(source, target))

    def begin(self, origin_ns: int, log: Path) -> None:
        """Start a run over fresh links. `origin_ns` of CLOCK_MONOTONIC is time 0 of the run and of its traces; packets
        that come earlier are passed on at once. Each packet has a row (`packet_log.PACKETS`) in the file `log`."""
        self._request("begin", origin_ns, log)

    def end(self) -> RelayCounts:
        """End the run: write the packets that are still queued, then pass packets on at once. The log is complete."""
        return RelayCounts(*self._request("end"))

    def close(self) -> None:
        """End the run, if any, as `end` does, and the process."""
        self._control.close()
        try:
            self._process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _request(self, request: str, *arguments: object, descriptors: Sequence[int] = ()) -> Any:
        with self._lock:
            try:
                with suppress(BrokenPipeError):  # the reason may still wait in the socket
                    send(self._control, (request, arguments), descriptors)
                (failure, answer), _ = receive(self._control)
            except OSError as error:
                raise RelayFailed(f"relay: its process has ended ({error})") from error
        if failure:
            raise RelayFailed(f"relay: {failure}")
        return answer
