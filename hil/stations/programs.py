"""Run the commands of an emulation, each by a shell in its node's host; keep their output; end them with the run."""

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
PROGRAM_EXIT_S = 5.0  # from SIGTERM until SIGKILL

ProgramOutcome = Literal["done", "failed", "ended", "not started"]
"""done: status 0. failed: another status, or a signal. ended: still running at the end of the run, which ended it.
not started: the run ended before its time, or it could not be started."""


class CommandHost(Protocol):
    """The methods used of a host (`mininet.node.Host`)."""

    def popen(self, command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        """Start a command in the host, as the leader of its own process group."""


class Program(NamedTuple):
    """The outcome of a command. Times are seconds of the run; `output` is the file of its output, in the run's folder.
    `exit_status` is 128 + N if signal N ended it."""

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
        """One line about a command that failed or did not start, otherwise None."""
        if self.outcome in ("done", "ended"):
            return None
        return f"realtime.commands[{self.number}] at {self.node}: {self.outcome}: {self.reason}"


class Programs:
    """The commands of a run, as a context. Each starts at its time; the context's end also ends their process groups.
    `programs` then holds the outcomes."""

    def __init__(
        self,
        commands: Sequence[CommandSection],
        hosts: Mapping[str, CommandHost],
        start_ns: int,
        output: Path,
        folder: Path,
    ) -> None:
        """`start_ns` of CLOCK_MONOTONIC is second 0 of the run. Output is written to files in the existing folder
        `output`; the commands run in the scenario's `folder`."""
        self._commands = commands
        self._hosts = hosts
        self._start_ns = start_ns
        self._output = output
        self._folder = folder
        self._started: dict[int, _RunningProgram] = {}
        self._ended_s: dict[int, float] = {}  # of commands that ended by themselves
        self._start_errors: dict[int, str] = {}
        self._thread = threading.Thread(target=self._serve)
        self._run_over = os.eventfd(0)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.eventfd_write(self._run_over, 1)
        self._thread.join()
        os.close(self._run_over)

    @property
    def programs(self) -> list[Program]:
        """The outcome of each command, in the scenario's order."""
        return [self._program(number, command) for number, command in enumerate(self._commands)]

    def _serve(self) -> None:
        due = deque(sorted(range(len(self._commands)), key=lambda number: self._commands[number].at_s))
        with selectors.DefaultSelector() as selector:
            selector.register(self._run_over, selectors.EVENT_READ)
            over = False
            while not over:
                wait_s = max(0.0, self._commands[due[0]].at_s - self._now_s()) if due else None
                for key, _ in selector.select(wait_s):
                    if key.fd == self._run_over:
                        over = True
                    else:
                        self._ended_s[key.data] = self._now_s()
                        selector.unregister(key.fd)
                while due and not over and self._commands[due[0]].at_s <= self._now_s():
                    number = due.popleft()
                    if self._start(number):
                        selector.register(self._started[number].descriptor, selectors.EVENT_READ, number)
        _end_all(list(self._started.values()))

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
            self._start_errors[number] = str(error)
            return False
        self._started[number] = _RunningProgram(process, os.pidfd_open(process.pid), at_s)
        return True

    def _program(self, number: int, command: CommandSection) -> Program:
        given = (number, command.node, command.run, command.at_s)
        name = self._file(number).name
        if number not in self._started:
            return Program(
                *given, None, None, "not started", None, name, self._start_errors.get(number, "the run was over")
            )
        process, _, started_s = self._started[number]
        code = process.returncode
        reason = f"exit status {code}" if code >= 0 else signal.Signals(-code).name
        status = code if code >= 0 else 128 - code
        if number not in self._ended_s:
            return Program(*given, started_s, None, "ended", status, name, "")
        if status == 0:
            return Program(*given, started_s, self._ended_s[number], "done", 0, name, "")
        return Program(*given, started_s, self._ended_s[number], "failed", status, name, reason)

    def _file(self, number: int) -> Path:
        return self._output / f"{number:02d}-{self._commands[number].node}.txt"

    def _now_s(self) -> float:
        return (time.monotonic_ns() - self._start_ns) / NS_PER_S


def write_programs(path: Path, programs: Iterable[Program]) -> None:
    """Write a CSV file, a row per program, atomically."""
    write_table(path, Program._fields, programs)


class _RunningProgram(NamedTuple):
    process: "subprocess.Popen[bytes]"
    descriptor: int  # readable when the process has ended
    at_s: float


def _end_all(started: Sequence[_RunningProgram]) -> None:
    """Send SIGTERM to the process groups, and after PROGRAM_EXIT_S SIGKILL. Wait for the processes last: the kernel
    reuses an id only after the wait."""
    for each in started:
        _send_signal(each, signal.SIGTERM)
    deadline_s = time.monotonic() + PROGRAM_EXIT_S
    for each in started:
        poll = select.poll()
        poll.register(each.descriptor, select.POLLIN)
        poll.poll(max(0.0, deadline_s - time.monotonic()) * 1_000)
        _send_signal(each, signal.SIGKILL)
        each.process.wait()
        os.close(each.descriptor)


def _send_signal(each: _RunningProgram, number: signal.Signals) -> None:
    try:
        os.killpg(each.process.pid, number)
    except ProcessLookupError:  # it has not created its group yet
        each.process.send_signal(number)
