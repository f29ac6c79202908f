"""The commands of an emulation: each run by a shell in its node's host, its output kept, ended with the run."""

import os
import select
import selectors
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Protocol, Self

from emulator.core.csv_table import write_table
from emulator.core.units import NS_PER_S
from topologies.schema.realtime import CommandSection

NODE, START = "AIRSPLIT_NODE", "AIRSPLIT_START_NS"  # in the environment of every command
PROGRAM_EXIT_S = 5.0  # what a program has to end by itself when it is told to

ProgramOutcome = Literal["done", "failed", "ended", "not started"]
"""Status 0; another status, or a signal; still there at the end of the run, which ended it; the run was over before
it could start, or nothing could be started."""


class CommandHost(Protocol):
    """What is needed of a host: as `mininet.node.CommandHost`."""

    def popen(self, command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        """Start a command there, as the leader of a process group of its own."""


class Program(NamedTuple):
    """What became of a command. Times are seconds of the run; `output` is the file, in the run's folder, with all that
    it wrote. `exit_status` is 128 + N if signal N ended it."""

    number: int
    node: str
    command: str
    at_s: float
    started_s: float | None
    ended_s: float | None
    outcome: ProgramOutcome
    exit_status: int | None
    output: str
    reason: str

    @property
    def complaint(self) -> str | None:
        """One line about a command that failed or did not start; None for the others."""
        if self.outcome in ("done", "ended"):
            return None
        return f"realtime.commands[{self.number}] at {self.node}: {self.outcome}: {self.reason}"


class Programs:
    """The commands of a run, as a context: each starts when its time has come, and all of them end with it, with
    whatever they started themselves and left in their process groups. `programs` then tells of each."""

    def __init__(
        self,
        commands: Sequence[CommandSection],
        hosts: Mapping[str, CommandHost],
        start_ns: int,
        output: Path,
        folder: Path,
    ) -> None:
        """`start_ns` of CLOCK_MONOTONIC is the run's second 0. What the commands write goes to files in the folder
        `output`, which must be there; they run in `folder`, that of the scenario."""
        self._commands = commands
        self._hosts = hosts
        self._start_ns = start_ns
        self._output = output
        self._folder = folder
        self._started: dict[int, _Started] = {}
        self._ended_s: dict[int, float] = {}  # by themselves
        self._refused: dict[int, str] = {}
        self._thread = threading.Thread(target=self._serve)
        self._over = os.eventfd(0)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.eventfd_write(self._over, 1)
        self._thread.join()
        os.close(self._over)

    @property
    def programs(self) -> list[Program]:
        """What became of each command, in the scenario's order."""
        return [self._program(number, command) for number, command in enumerate(self._commands)]

    def _serve(self) -> None:
        due = deque(sorted(range(len(self._commands)), key=lambda number: self._commands[number].at_s))
        with selectors.DefaultSelector() as selector:
            selector.register(self._over, selectors.EVENT_READ)
            over = False
            while not over:
                wait_s = max(0.0, self._commands[due[0]].at_s - self._now_s()) if due else None
                for key, _ in selector.select(wait_s):
                    if key.fd == self._over:
                        over = True
                    else:
                        self._ended_s[key.data] = self._now_s()
                        selector.unregister(key.fd)
                while due and not over and self._commands[due[0]].at_s <= self._now_s():
                    number = due.popleft()
                    if self._start(number):
                        selector.register(self._started[number].descriptor, selectors.EVENT_READ, number)
        _end(list(self._started.values()))

    def _start(self, number: int) -> bool:
        command = self._commands[number]
        environment = {**os.environ, NODE: command.node, START: str(self._start_ns)}
        at_s = self._now_s()
        try:
            with self._file(number).open("wb") as output:
                process = self._hosts[command.node].popen(
                    ["sh", "-c", command.run], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                    env=environment, cwd=self._folder,
                )  # fmt: skip
        except OSError as error:
            self._refused[number] = str(error)
            return False
        self._started[number] = _Started(process, os.pidfd_open(process.pid), at_s)
        return True

    def _program(self, number: int, command: CommandSection) -> Program:
        asked = (number, command.node, command.run, command.at_s)
        name = self._file(number).name
        if number not in self._started:
            return Program(*asked, None, None, "not started", None, name, self._refused.get(number, "the run was over"))
        process, _, started_s = self._started[number]
        code = process.returncode
        reason = f"exit status {code}" if code >= 0 else signal.Signals(-code).name
        status = code if code >= 0 else 128 - code
        if number not in self._ended_s:
            return Program(*asked, started_s, None, "ended", status, name, "")
        if status == 0:
            return Program(*asked, started_s, self._ended_s[number], "done", 0, name, "")
        return Program(*asked, started_s, self._ended_s[number], "failed", status, name, reason)

    def _file(self, number: int) -> Path:
        return self._output / f"{number:02d}-{self._commands[number].node}.txt"

    def _now_s(self) -> float:
        return (time.monotonic_ns() - self._start_ns) / NS_PER_S


def write_programs(path: Path, programs: Iterable[Program]) -> None:
    """Write a CSV file, a row for each. Appears whole or not at all."""
    write_table(path, Program._fields, programs)


class _Started(NamedTuple):
    process: "subprocess.Popen[bytes]"
    descriptor: int  # readable when the process has ended
    at_s: float


def _end(started: Sequence[_Started]) -> None:
    """End the process groups: politely, then by force. Nobody who has ended is waited for before, so that the number
    of each is still its own."""
    for each in started:
        _tell(each, signal.SIGTERM)
    give_up = time.monotonic() + PROGRAM_EXIT_S
    for each in started:
        poll = select.poll()
        poll.register(each.descriptor, select.POLLIN)
        poll.poll(max(0.0, give_up - time.monotonic()) * 1_000)
        _tell(each, signal.SIGKILL)
        each.process.wait()
        os.close(each.descriptor)


def _tell(each: _Started, number: signal.Signals) -> None:
    try:
        os.killpg(each.process.pid, number)
    except ProcessLookupError:  # it has not come as far as to have a group
        each.process.send_signal(number)
