"""Start and control the programs of `traffic` in hosts."""

import subprocess
import sys
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from benchmarks.realtime.hosts import Host, HostPair
from emulator.core.arrays import Ints


class SendPlan(NamedTuple):
    """When to send each datagram, from the start on, and its IP bytes; shape (datagrams,) each."""

    at_ns: Ints
    size_bytes: Ints


class ExchangeTimes(NamedTuple):
    """Times on CLOCK_MONOTONIC: `sent_ns` just before each datagram was passed to the kernel, shape (datagrams,).
    `number` and `received_ns`: the datagrams that arrived, in that order, and when the other kernel received them."""

    sent_ns: Ints
    number: Ints
    received_ns: Ints


class Exchange:
    """A sender in the left host and a receiver in the right one, ready when constructed."""

    def __init__(self, pair: HostPair, plan: SendPlan, folder: Path) -> None:
        self._sent, self._received = folder / "sent.npz", folder / "received.npz"
        np.savez(folder / "plan.npz", at_ns=plan.at_ns, size_bytes=plan.size_bytes)
        self._receiver = start_program(pair.right, "receive", str(self._received))
        self._sender = start_program(pair.left, "send", pair.right.address, str(folder / "plan.npz"), str(self._sent))

    def start(self, start_ns: int, stop_ns: int) -> None:
        """Set the plan's time 0, and when the receiver stops."""
        write_ns(self._sender, start_ns)
        write_ns(self._receiver, stop_ns)

    def finish(self) -> ExchangeTimes:
        """Return the times of all datagrams when both programs have ended. Raises RuntimeError if one failed."""
        for program in (self._sender, self._receiver):
            expect(program, "done")
            program.communicate()
        with np.load(self._sent) as sent, np.load(self._received) as received:
            return ExchangeTimes(sent["sent_ns"], received["number"], received["received_ns"])


def start_program(host: Host, *words: str) -> "subprocess.Popen[str]":
    """Start one of the programs and wait until it is ready."""
    program = host.start([sys.executable, "-m", "benchmarks.realtime.traffic", *words])
    expect(program, "ready")
    return program


def write_ns(program: "subprocess.Popen[str]", at_ns: int) -> None:
    """Send a time to a program that waits for it."""
    pipe = _pipe(program.stdin)
    pipe.write(f"{at_ns}\n")
    pipe.flush()


def expect(program: "subprocess.Popen[str]", word: str) -> None:
    """Read a word from a program. Raises RuntimeError if it prints another one or ends."""
    printed = _pipe(program.stdout).readline().strip()
    if printed != word:
        raise RuntimeError(f"{program.args!r}: printed {printed!r} instead of {word!r}")


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None  # all programs in hosts have pipes
    return stream
