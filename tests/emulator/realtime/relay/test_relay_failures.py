"""Failures of the relay's surroundings: interfaces, its log, its requests, its process, its parent."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from emulator.core.units import NS_PER_MS
from emulator.realtime.packet_log import REFUSED
from emulator.realtime.relay import Relay, RelayFailed
from emulator.trace import Trace
from tests.emulator.realtime.segments import datagram, number_of
from tests.emulator.realtime.wires import DURATION_NS, FAST, SEED, pair, wires

SLOTS = Trace(NS_PER_MS // 2, {"capacity_bits": np.full(40, 500)}, "slot")


def test_a_packet_that_the_other_end_does_not_accept_is_refused(tmp_path: Path) -> None:
    with wires([FAST]) as net:
        net.begin(tmp_path / "log")
        net.links[0].far.close()
        net.links[0].send(datagram(100))
        time.sleep(0.02)
        assert list(net.end(tmp_path / "log")[1]["outcome"]) == [REFUSED]


def test_a_broken_interface_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    with wires([FAST, replace(FAST, source="b", target="a")]) as net:
        net.begin(tmp_path / "log")
        net.links[0].near.close()
        net.links[1].send(datagram(100, 9))
        assert number_of(net.links[1].receive(1)[0]) == 9
        ended, _ = net.end(tmp_path / "log")
        assert (ended.packets, ended.broken) == (1, (0,))


def test_the_ends_of_a_link_can_be_replaced() -> None:
    with wires([FAST]) as net:
        (near, source), (far, target) = pair(), pair()
        with near, source, far, target:
            net.relay.attach(0, source.fileno(), target.fileno())
            near.send(datagram(100, 3))
            assert number_of(far.recv(1_000)) == 3
        with pytest.raises(BrokenPipeError):
            net.links[0].send(datagram(100))


def test_a_replaced_end_does_not_wake_the_relay_while_others_have_it_open() -> None:
    (old, old_source), (new, source), (far, target) = pair(), pair(), pair()
    with Relay([FAST], {}, SEED, DURATION_NS) as relay, old, old_source, new, source, far, target:
        for each in (old_source, source):
            relay.attach(0, each.fileno(), target.fileno())
        old.send(datagram(100, 3))
        new.send(datagram(100, 4))
        assert number_of(far.recv(1_000)) == 4
        before_s = sum(psutil.Process(relay.pid).cpu_times()[:2])
        time.sleep(0.3)
        assert sum(psutil.Process(relay.pid).cpu_times()[:2]) - before_s < 0.1


def test_a_log_that_cannot_be_written_is_reported_in_one_line_and_the_relay_goes_on(tmp_path: Path) -> None:
    with wires([FAST]) as net:
        with pytest.raises(RelayFailed, match=r"^relay: .*nowhere/log: folder must exist$"):
            net.relay.begin(time.monotonic_ns(), tmp_path / "nowhere" / "log")
        net.links[0].send(datagram(100, 4))
        assert number_of(net.links[0].receive(1)[0]) == 4


def test_an_unknown_cell_is_reported_in_one_line() -> None:
    with pytest.raises(RelayFailed, match=r"^relay: links\.a-b\.cell=none: must be one of no cells$"):
        Relay([replace(FAST, cell="none", trace=SLOTS)], {}, SEED, DURATION_NS)


def test_a_killed_relay_is_reported_in_one_line(tmp_path: Path) -> None:
    with wires([FAST]) as net:
        os.kill(net.relay.pid, signal.SIGKILL)
        with pytest.raises(RelayFailed, match=r"^relay: its process has ended"):
            net.relay.begin(time.monotonic_ns(), tmp_path / "log")


def test_the_process_ends_with_its_parent() -> None:
    code = (
        "import sys, time\n"
        "from emulator.realtime.relay import Relay\n"
        "relay = Relay([], {}, 1, 1)\n"
        "print(relay.pid, flush=True)\n"
        "time.sleep(100)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    waited = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < waited:
        time.sleep(0.01)
    assert not is_alive(pid)


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
