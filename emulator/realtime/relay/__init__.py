"""The relay: links in real time. It reads what hosts send from TAP interfaces, and writes each packet to the other
end when the link model of the simulation says that it gets there. It is a process of its own (`process`); this is
what others hold of it."""

import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, NamedTuple, Self

from emulator.realtime.relay.ipc import receive, send
from emulator.system import CellSpec, LinkSpec

PATIENCE_S = 10.0  # for the process to end by itself


class RelayFailed(RuntimeError):
    """The relay's process said in one line why it cannot go on, or is gone."""


class Ended(NamedTuple):
    """What a run's log does not say, or has in all. `packets`: that came, and have each their row but for the
    `unlogged`, for which the log was too slow. `overflowed`: came, and found no memory; the link model never saw them.
    `stray`: frames that are no IPv4. `broken`: links whose interface was gone before the end."""

    packets: int
    unlogged: int
    overflowed: int
    stray: int
    broken: tuple[int, ...]


class Relay:
    """Links and cells, driven by the clock. A context: the process lives as long, and ends with this one. All methods
    raise RelayFailed. Until the first `begin`, and after each `end`, frames pass at once.

    `scheduling` says how the kernel schedules the process."""

    scheduling: str

    def __init__(self, links: Sequence[LinkSpec], cells: Mapping[str, CellSpec], seed: int, duration_ns: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "emulator.realtime.relay", str(theirs.fileno())]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        self._control = ours
        self._lock = Lock()
        try:
            self.scheduling = self._ask("open", tuple(links), dict(cells), seed, duration_ns)
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
        """The process."""
        return self._process.pid

    def attach(self, link: int, source: int, target: int) -> None:
        """What is read from `source` crosses the link and is written to `target`: descriptors of TAP interfaces
        (`open_tap`), of which the relay takes copies. At any time; a later call for the same link replaces them."""
        self._ask("attach", link, descriptors=(source, target))

    def begin(self, start_ns: int, log: Path) -> None:
        """From `start_ns` of CLOCK_MONOTONIC on, the traces' time 0, packets cross the links, which are as new;
        each has its row (`packet_log.PACKETS`) in the file `log`."""
        self._ask("begin", start_ns, log)

    def end(self) -> Ended:
        """Frames pass at once again, and first those that are still inside. The file is then complete."""
        return Ended(*self._ask("end"))

    def close(self) -> None:
        """End the process."""
        self._control.close()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, request: str, *arguments: object, descriptors: Sequence[int] = ()) -> Any:
        with self._lock:
            try:
                with suppress(BrokenPipeError):  # it may have said why it is gone
                    send(self._control, (request, arguments), descriptors)
                (failure, answer), _ = receive(self._control)
            except OSError as error:
                raise RelayFailed(f"relay: its process is gone ({error})") from error
        if failure:
            raise RelayFailed(f"relay: {failure}")
        return answer
