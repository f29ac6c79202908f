"""Start the station processes of an emulation in their hosts, tell them the start of the run, and end them."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from emulator.core.sources import own_process
from hil.errors import MissingDependency
from hil.mqtt.broker import terminate

# Lines on a station's standard output; DROPPED is followed by the number of messages or datagrams that it dropped.
READY, ALL_DONE, DROPPED = "ready", "done", "dropped"
STATION_EXIT_S = 10.0

# Starts a command in the host of a node, with pipes for its standard input and output.
Launch = Callable[[str, Sequence[str]], "subprocess.Popen[bytes]"]


def launch_here(_node: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Start a command on this machine, without a host of its own."""
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def events_file(folder: Path, node: str) -> Path:
    """Return the path of the log of a node's station."""
    return folder / f"{node}.station"


class Stations:
    """One station per node, as a context that ends them all; they also end if this process is killed.

    Call `await_ready` (imports and weights take seconds), then `begin`, then `await_answers`.
    """

    def __init__(self, schedule: Path, nodes: Iterable[str], folder: Path, launch: Launch = launch_here) -> None:
        """Stations read the file `schedule` and write their logs to `folder` (`events_file`)."""
        self._schedule = schedule
        self._nodes = tuple(nodes)
        self._folder = folder
        self._launch = launch
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._lines: dict[str, set[str]] = {node: set() for node in self._nodes}
        self._exited: set[str] = set()
        self._changed = threading.Condition()
        self._listeners: list[threading.Thread] = []

    def __enter__(self) -> Self:
        try:
            for node in self._nodes:
                out = events_file(self._folder, node)
                arguments = ("--schedule", str(self._schedule), "--name", node, "--out", str(out))
                self.processes[node] = self._launch(node, own_process("hil.station", *arguments))
                listener = threading.Thread(target=self._listen, args=(node,), daemon=True)
                listener.start()
                self._listeners.append(listener)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def await_ready(self, timeout_s: float) -> None:
        """Wait until every station is ready. Raises MissingDependency if one ends or is not ready in time."""
        absent = self._wait(READY, timeout_s, lambda: bool(self._exited))
        if absent:
            raise MissingDependency(f"stations not ready within {timeout_s:g} s: {', '.join(absent)}")

    def begin(self, start_ns: int) -> None:
        """Tell all stations that the run starts at `start_ns` of CLOCK_MONOTONIC."""
        for node, process in self.processes.items():
            if node not in self.exited and process.stdin is not None:
                with suppress(BrokenPipeError):  # it has just ended; its tasks will not be answered
                    process.stdin.write(f"{start_ns}\n".encode())
                    process.stdin.flush()

    def await_answers(self, until_ns: int) -> tuple[str, ...]:
        """Wait until all tasks are done, or CLOCK_MONOTONIC reads `until_ns`. Return the nodes that still wait for
        tasks: those failed elsewhere, or their messages were lost."""
        return self._wait(ALL_DONE, (until_ns - time.monotonic_ns()) * 1e-9, lambda: self._exited >= set(self._nodes))

    @property
    def exited(self) -> frozenset[str]:
        """The nodes whose station has ended."""
        with self._changed:
            return frozenset(self._exited)

    @property
    def dropped(self) -> dict[str, int]:
        """The number of messages or datagrams that reached a station and were dropped, by node; known once the stations
        have ended."""
        with self._changed:
            words = ((node, line.split()) for node, lines in self._lines.items() for line in lines)
            return {node: int(each[1]) for node, each in words if each[:1] == [DROPPED]}

    def _wait(self, word: str, timeout_s: float, give_up: Callable[[], bool]) -> tuple[str, ...]:
        def absent() -> tuple[str, ...]:
            return tuple(node for node in self._nodes if word not in self._lines[node])

        with self._changed:
            self._changed.wait_for(lambda: not absent() or give_up(), max(0.0, timeout_s))
            return absent()

    def _listen(self, node: str) -> None:
        output = self.processes[node].stdout
        for line in output or ():
            with self._changed:
                self._lines[node].add(line.decode(errors="replace").strip())
                self._changed.notify_all()
        with self._changed:
            self._exited.add(node)
            self._changed.notify_all()

    def _end(self) -> None:
        for process in self.processes.values():
            if process.stdin is not None:
                with suppress(BrokenPipeError):
                    process.stdin.close()  # the station prints DROPPED, then ends
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(STATION_EXIT_S)
        terminate(*self.processes.values())
        for listener in self._listeners:
            listener.join(STATION_EXIT_S)
        for process in self.processes.values():
            if process.stdout is not None:
                process.stdout.close()
