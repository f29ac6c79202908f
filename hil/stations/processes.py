"""The station processes of an emulation: started each in its host, told when to begin, and ended."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from hil.errors import MissingDependency
from hil.mqtt.broker import terminate

# What a station says on its standard output, a line each; the last with the number of messages that it dropped.
READY, ANSWERED, DROPPED = "ready", "answered", "dropped"
STATION_EXIT_S = 10.0

# Starts a command in the host of a node, with pipes for its standard input and output.
Launch = Callable[[str, Sequence[str]], "subprocess.Popen[bytes]"]


def launch_here(_node: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Without hosts: on this machine."""
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def events_file(folder: Path, node: str) -> Path:
    """What the station of a node writes."""
    return folder / f"{node}.station"


class Stations:
    """One station for each node, as a context: all of them end with it, and by themselves should we be killed.

    First `await_ready` (imports and weights take their time), then `begin`, then `await_answers`.
    """

    def __init__(self, schedule: Path, nodes: Iterable[str], folder: Path, launch: Launch = launch_here) -> None:
        """Stations follow the file `schedule` and write to `folder` (`events_file`)."""
        self._schedule = schedule
        self._nodes = tuple(nodes)
        self._folder = folder
        self._launch = launch
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._said: dict[str, set[str]] = {node: set() for node in self._nodes}
        self._dead: set[str] = set()
        self._changed = threading.Condition()
        self._listeners: list[threading.Thread] = []

    def __enter__(self) -> Self:
        try:
            for node in self._nodes:
                out = events_file(self._folder, node)
                command = (sys.executable, "-m", "hil.station", "--schedule", str(self._schedule))
                self.processes[node] = self._launch(node, (*command, "--name", node, "--out", str(out)))
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
        """Wait until every station has its layers and its connection. Raises MissingDependency where one does not."""
        absent = self._wait(READY, timeout_s, lambda: bool(self._dead))
        if absent:
            raise MissingDependency(f"stations: {', '.join(absent)}: must be ready within {timeout_s:g} s")

    def begin(self, start_ns: int) -> None:
        """Tell all stations that the run starts at `start_ns` of CLOCK_MONOTONIC."""
        for node, process in self.processes.items():
            if node not in self.dead and process.stdin is not None:
                with suppress(BrokenPipeError):  # it has just ended, and its tasks will not be answered
                    process.stdin.write(f"{start_ns}\n".encode())
                    process.stdin.flush()

    def await_answers(self, until_ns: int) -> tuple[str, ...]:
        """Wait until every task is done at the station where it ends, or CLOCK_MONOTONIC reads `until_ns`. The
        nodes that still wait then: for tasks that failed elsewhere, or whose messages got lost."""
        return self._wait(ANSWERED, (until_ns - time.monotonic_ns()) * 1e-9, lambda: self._dead >= set(self._nodes))

    @property
    def dead(self) -> frozenset[str]:
        """The nodes whose station has ended."""
        with self._changed:
            return frozenset(self._dead)

    @property
    def dropped(self) -> dict[str, int]:
        """What stations did not take of what had reached them, by node; known once they have ended."""
        with self._changed:
            words = ((node, line.split()) for node, lines in self._said.items() for line in lines)
            return {node: int(each[1]) for node, each in words if each[:1] == [DROPPED]}

    def _wait(self, word: str, timeout_s: float, hopeless: Callable[[], bool]) -> tuple[str, ...]:
        def absent() -> tuple[str, ...]:
            return tuple(node for node in self._nodes if word not in self._said[node])

        with self._changed:
            self._changed.wait_for(lambda: not absent() or hopeless(), max(0.0, timeout_s))
            return absent()

    def _listen(self, node: str) -> None:
        output = self.processes[node].stdout
        for line in output or ():
            with self._changed:
                self._said[node].add(line.decode(errors="replace").strip())
                self._changed.notify_all()
        with self._changed:
            self._dead.add(node)
            self._changed.notify_all()

    def _end(self) -> None:
        for process in self.processes.values():
            if process.stdin is not None:
                with suppress(BrokenPipeError):
                    process.stdin.close()  # that ends a station, and it says first what it has dropped
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(STATION_EXIT_S)
        terminate(*self.processes.values())
        for listener in self._listeners:
            listener.join(STATION_EXIT_S)
        for process in self.processes.values():
            if process.stdout is not None:
                process.stdout.close()
