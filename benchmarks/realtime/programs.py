"""The programs of `traffic`, as those have them who start them in hosts."""

import subprocess
import sys
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from benchmarks.realtime.hosts import Host, Pair
from emulator.core.arrays import Ints


class Plan(NamedTuple):
    """When to send, from the start on, and IP bytes; shape (datagrams,) each."""

    at_ns: Ints
    size_bytes: Ints


class Exchanged(NamedTuple):
    """On CLOCK_MONOTONIC: just before each datagram was handed to the kernel, shape (datagrams,), and for those that
    arrived, in that order, their number and when the other kernel had them."""

    sent_ns: Ints
    number: Ints
    received_ns: Ints


class Exchange:
    """The two programs, from the left to the right host: ready when made, then `go`, then `finish`."""

    def __init__(self, pair: Pair, plan: Plan, folder: Path) -> None:
        self._sent, self._received = folder / "sent.npz", folder / "received.npz"
        np.savez(folder / "plan.npz", at_ns=plan.at_ns, size_bytes=plan.size_bytes)
        self._receiver = started(pair.right, "receive", str(self._received))
        self._sender = started(pair.left, "send", pair.right.address, str(folder / "plan.npz"), str(self._sent))

    def go(self, start_ns: int, stop_ns: int) -> None:
        """The plan's time 0, and when the receiver stops."""
        tell_ns(self._sender, start_ns)
        tell_ns(self._receiver, stop_ns)

    def finish(self) -> Exchanged:
        """What was sent and arrived, once both are done. Raises RuntimeError where one of them failed."""
        for program in (self._sender, self._receiver):
            expect(program, "done")
            program.communicate()
        with np.load(self._sent) as sent, np.load(self._received) as received:
            return Exchanged(sent["sent_ns"], received["number"], received["received_ns"])


def started(host: Host, *words: str) -> "subprocess.Popen[str]":
    """One of the programs, ready."""
    program = host.start([sys.executable, "-m", "benchmarks.realtime.traffic", *words])
    expect(program, "ready")
    return program


def tell_ns(program: "subprocess.Popen[str]", at_ns: int) -> None:
    """Tell a time to a program that waits for it."""
    pipe = _pipe(program.stdin)
    pipe.write(f"{at_ns}\n")
    pipe.flush()


def expect(program: "subprocess.Popen[str]", word: str) -> None:
    """Read a word that a program says. Raises RuntimeError where it says another, or ends."""
    said = _pipe(program.stdout).readline().strip()
    if said != word:
        raise RuntimeError(f"{program.args!r}: said {said!r}, not {word!r}")


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None  # all programs in hosts have pipes
    return stream
