"""Datagrams that carry their number, sent by one host, with the kernel's stamps of when the other has them.

Two programs, run in the hosts: `send ADDRESS PLAN OUT` and `receive OUT`. Each says `ready`, is then told on its
standard input, in nanoseconds of CLOCK_MONOTONIC, when to start or stop, and says `done`.
"""

import socket
import subprocess
import sys
import time
from array import array
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from benchmarks.realtime.hosts import Pair
from emulator.arrays import Ints
from emulator.units import NS_PER_MS, NS_PER_S

HEADERS_BYTES = 28  # IPv4 and UDP
NUMBER_BYTES = 8
PORT = 7_700
SO_TIMESTAMPNS, SO_SNDBUFFORCE, SO_RCVBUFFORCE = 35, 32, 33  # asm-generic/socket.h
BUFFER_BYTES = 256 * 1024 * 1024
PAUSE_S = 0.02  # of the receiver, whose stamps are the kernel's: it need not be in time
CALIBRATION_NS = 100 * NS_PER_MS
READINGS = 5  # of which the quickest counts


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
        module = [sys.executable, "-m", "benchmarks.realtime.traffic"]
        self._receiver = pair.right.start([*module, "receive", str(self._received)])
        expect(self._receiver, "ready")
        self._sender = pair.left.start([*module, "send", pair.right.address, str(folder / "plan.npz"), str(self._sent)])
        expect(self._sender, "ready")

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


def send(address: str, plan: Path, out: Path) -> None:
    """Send as planned; a datagram that is due with others goes right after them."""
    with np.load(plan) as planned:
        at_ns, size_bytes = planned["at_ns"].tolist(), planned["size_bytes"].tolist()
    datagram = memoryview(bytearray(max(size_bytes)))
    sent_ns = array("q", bytes(8 * len(at_ns)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES)
        sender.connect((address, PORT))
        start_ns = told_ns()
        for number, (due_ns, size) in enumerate(zip(at_ns, size_bytes, strict=True)):
            wait_ns = start_ns + due_ns - time.monotonic_ns()
            if wait_ns > 0:
                time.sleep(wait_ns / NS_PER_S)
            datagram[:NUMBER_BYTES] = number.to_bytes(NUMBER_BYTES, "little")
            sent_ns[number] = time.monotonic_ns()
            sender.send(datagram[: size - HEADERS_BYTES])
    np.savez(out, sent_ns=np.array(sent_ns))
    print("done", flush=True)


def receive(out: Path) -> None:
    """Note what arrives, until told to stop."""
    number, seen_ns, calibrations = array("q"), array("q"), [clock_offset_ns()]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        receiver.bind(("", PORT))
        receiver.setblocking(False)
        stop_ns = told_ns()
        while time.monotonic_ns() < stop_ns:
            time.sleep(PAUSE_S)
            _drain(receiver, number, seen_ns)
            if time.time_ns() - calibrations[-1][0] > CALIBRATION_NS:
                calibrations.append(clock_offset_ns())
    at_ns, offset_ns = np.array(calibrations).T
    # subtracted before interpolating: nanoseconds of the epoch do not fit a float
    real_ns = np.array(seen_ns)
    along = np.interp((real_ns - at_ns[0]).astype(float), (at_ns - at_ns[0]).astype(float), offset_ns - offset_ns[0])
    received_ns = real_ns - offset_ns[0] - np.rint(along).astype(np.int64)
    np.savez(out, number=np.array(number), received_ns=received_ns)
    print("done", flush=True)


def clock_offset_ns() -> tuple[int, int]:
    """CLOCK_REALTIME, in which the kernel stamps what it receives, and by how much it is ahead of CLOCK_MONOTONIC."""
    readings = []
    for _ in range(READINGS):
        before_ns, real_ns, after_ns = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        readings.append((after_ns - before_ns, real_ns, real_ns - (before_ns + after_ns) // 2))
    _, at_ns, offset_ns = min(readings)
    return at_ns, offset_ns


def _drain(receiver: socket.socket, number: "array[int]", seen_ns: "array[int]") -> None:
    """Take all that is there; `struct timespec` of 64-bit words is the only control message."""
    while True:
        try:
            data, control, _, _ = receiver.recvmsg(NUMBER_BYTES, 64)
        except BlockingIOError:
            return
        number.append(int.from_bytes(data, "little"))
        stamp = control[0][2]
        seen_ns.append(int.from_bytes(stamp[:8], "little") * NS_PER_S + int.from_bytes(stamp[8:16], "little"))


def told_ns() -> int:
    """Say `ready`, and wait to be told a time."""
    print("ready", flush=True)
    return int(sys.stdin.readline())


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


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        receive(Path(sys.argv[2]))
