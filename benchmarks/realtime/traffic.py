"""Three programs that run in hosts: `send ADDRESS PLAN OUT`, `receive OUT` and `flood ADDRESS RATE_BPS`.

Planned datagrams carry their number; the receiver records it with the kernel's stamp of the arrival. Each program
prints `ready`, reads from standard input when to start (except the receiver) and when to stop (except the sender, which
has a plan) in nanoseconds of CLOCK_MONOTONIC, and prints `done` at the end.
"""

import socket
import struct
import sys
import time
from array import array
from pathlib import Path

import numpy as np

from emulator.core.units import NS_PER_MS, NS_PER_S

UDP_HEADERS_BYTES = 28  # with IPv4
NUMBER_BYTES = 8
PACKET_BYTES = 1_500
SEGMENTS = 44  # of that size in 64 KiB
PORT = 7_700
UDP_SEGMENT = 103  # linux/udp.h
SO_TIMESTAMPNS, SO_SNDBUFFORCE, SO_RCVBUFFORCE = 35, 32, 33  # asm-generic/socket.h
BUFFER_BYTES = 256 * 1024 * 1024
FLOOD_PAUSE_S = 0.001
RECEIVE_PAUSE_S = 0.02  # the kernel stamps arrivals, so the receiver may read late
CALIBRATION_NS = 100 * NS_PER_MS
READINGS = 5  # the quickest one counts


def send(address: str, plan: Path, out: Path) -> None:
    """Send as planned; datagrams that are due together are sent one right after the other."""
    with np.load(plan) as planned:
        at_ns, size_bytes = planned["at_ns"].tolist(), planned["size_bytes"].tolist()
    datagram = memoryview(bytearray(max(size_bytes)))
    sent_ns = array("q", bytes(8 * len(at_ns)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES)
        sender.connect((address, PORT))
        start_ns = read_start_ns()
        for number, (due_ns, size) in enumerate(zip(at_ns, size_bytes, strict=True)):
            wait_ns = start_ns + due_ns - time.monotonic_ns()
            if wait_ns > 0:
                time.sleep(wait_ns / NS_PER_S)
            datagram[:NUMBER_BYTES] = number.to_bytes(NUMBER_BYTES, "little")
            sent_ns[number] = time.monotonic_ns()
            sender.send(datagram[: size - UDP_HEADERS_BYTES])
    np.savez(out, sent_ns=np.array(sent_ns))
    print("done", flush=True)


def receive(out: Path) -> None:
    """Record arrivals until the time to stop."""
    number, stamp_ns, calibrations = array("q"), array("q"), [clock_offset_ns()]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        receiver.bind(("", PORT))
        receiver.setblocking(False)
        stop_ns = read_start_ns()
        while time.monotonic_ns() < stop_ns:
            time.sleep(RECEIVE_PAUSE_S)
            _drain(receiver, number, stamp_ns)
            if time.time_ns() - calibrations[-1][0] > CALIBRATION_NS:
                calibrations.append(clock_offset_ns())
    at_ns, offset_ns = np.array(calibrations).T
    # subtracted before interpolating: nanoseconds of the epoch do not fit a float
    real_ns = np.array(stamp_ns)
    along = np.interp((real_ns - at_ns[0]).astype(float), (at_ns - at_ns[0]).astype(float), offset_ns - offset_ns[0])
    received_ns = real_ns - offset_ns[0] - np.rint(along).astype(np.int64)
    np.savez(out, number=np.array(number), received_ns=received_ns)
    print("done", flush=True)


def clock_offset_ns() -> tuple[int, int]:
    """Return CLOCK_REALTIME, the clock of the kernel's stamps, and how far it is ahead of CLOCK_MONOTONIC."""
    readings = []
    for _ in range(READINGS):
        before_ns, real_ns, after_ns = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        readings.append((after_ns - before_ns, real_ns, real_ns - (before_ns + after_ns) // 2))
    _, at_ns, offset_ns = min(readings)
    return at_ns, offset_ns


def _drain(receiver: socket.socket, number: "array[int]", stamp_ns: "array[int]") -> None:
    """Read all waiting datagrams; the only control message is a `struct timespec` of 64-bit words."""
    while True:
        try:
            data, control, _, _ = receiver.recvmsg(NUMBER_BYTES, 64)
        except BlockingIOError:
            return
        number.append(int.from_bytes(data, "little"))
        stamp = control[0][2]
        stamp_ns.append(int.from_bytes(stamp[:8], "little") * NS_PER_S + int.from_bytes(stamp[8:16], "little"))


def flood(address: str, rate_bps: float) -> None:
    """Send full packets at an average rate; dropped ones are not sent again."""
    payload = bytes(PACKET_BYTES - UDP_HEADERS_BYTES)
    segment = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", len(payload)))]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES)
        sender.connect((address, PORT))
        start_ns = read_start_ns()
        stop_ns = int(sys.stdin.readline())
        time.sleep(max(0, start_ns - time.monotonic_ns()) / NS_PER_S)
        sent = 0
        while (now_ns := time.monotonic_ns()) < stop_ns:
            due = int(rate_bps * (now_ns - start_ns) / (8 * PACKET_BYTES * NS_PER_S))
            while sent < due:
                count = min(SEGMENTS, due - sent)
                sender.sendmsg([payload * count], segment if count > 1 else [])
                sent += count
            time.sleep(FLOOD_PAUSE_S)
    print("done", flush=True)


def read_start_ns() -> int:
    """Print `ready`, and wait for a time on standard input."""
    print("ready", flush=True)
    return int(sys.stdin.readline())


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    elif sys.argv[1] == "receive":
        receive(Path(sys.argv[2]))
    else:
        flood(sys.argv[2], float(sys.argv[3]))
