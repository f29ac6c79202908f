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
import pyarrow.parquet as pq
import pytest

from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.realtime.packet_log import REFUSED, UNFINISHED
from emulator.realtime.relay import Relay, RelayFailed
from emulator.trace import Trace
from tests.emulator.realtime.segments import datagram, number_of
from tests.emulator.realtime.wires import DURATION_NS, FAST, SEED, pair, wires

SLOTS = Trace(NS_PER_MS // 2, {"capacity_bits": np.full(40, 500)}, "slot")
LATE = replace(FAST, delay_ns=3_600 * NS_PER_S)  # delivers after the test


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


def test_a_link_that_breaks_is_reported_once_however_often_and_whenever_it_broke(tmp_path: Path) -> None:
    with wires([FAST]) as net:
        net.begin(tmp_path / "log")
        net.links[0].near.close()
        for _ in range(2):
            (near, source), (far, target) = pair(), pair()
            with near, source, far, target:
                net.relay.attach(0, source.fileno(), target.fileno())
        time.sleep(0.05)
        assert net.relay.end().broken == (0,)
        net.begin(tmp_path / "again")  # still broken
        assert net.relay.end().broken == (0,)
        (near, source), (far, target) = pair(), pair()
        with near, source, far, target:
            net.relay.attach(0, source.fileno(), target.fileno())
            net.begin(tmp_path / "repaired")
            assert net.relay.end().broken == ()


def test_a_link_that_cannot_be_attached_is_reported_and_keeps_its_ends(tmp_path: Path) -> None:
    with wires([FAST]) as net, (tmp_path / "file").open("w") as file:
        before = psutil.Process(net.relay.pid).num_fds()
        with pytest.raises(RelayFailed, match=r"^relay: PermissionError: "):  # of epoll, for a file
            net.relay.attach(0, file.fileno(), file.fileno())
        assert psutil.Process(net.relay.pid).num_fds() == before
        net.links[0].send(datagram(100, 4))
        assert number_of(net.links[0].receive(1)[0]) == 4


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


def test_a_request_out_of_turn_is_refused_and_the_run_goes_on(tmp_path: Path) -> None:
    with wires([FAST]) as net:
        with pytest.raises(RelayFailed, match=r"^relay: end\(\) called without a run; call begin\(\) first$"):
            net.relay.end()
        net.begin(tmp_path / "log")
        with pytest.raises(RelayFailed, match=r"^relay: begin\(\) called during a run; call end\(\) first$"):
            net.relay.begin(time.monotonic_ns(), tmp_path / "other")
        net.links[0].send(datagram(100, 4))
        assert number_of(net.links[0].receive(1)[0]) == 4
        assert net.end(tmp_path / "log")[0].packets == 1
        assert not (tmp_path / "other").exists()


def test_closing_during_a_run_writes_all_packets_and_completes_the_log(tmp_path: Path) -> None:
    with wires([LATE]) as net:
        net.begin(tmp_path / "log")
        net.links[0].send(datagram(100, 4), datagram(100, 5))
        time.sleep(0.05)
        net.relay.close()
        assert [number_of(frame) for frame in net.links[0].receive(2)] == [4, 5]
    require_two_unfinished(tmp_path / "log")


def test_the_log_is_completed_if_the_parent_is_killed_during_a_run(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tests.emulator.realtime.relay.test_relay_failures import LATE, datagram, wires\n"
        "with wires([LATE]) as net:\n"
        "    net.begin(Path(sys.argv[1]))\n"
        "    net.links[0].send(datagram(100), datagram(100))\n"
        "    time.sleep(0.05)\n"
        "    print(net.relay.pid, flush=True)\n"
        "    time.sleep(100)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[4]) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    require_end(pid)
    require_two_unfinished(tmp_path / "log")


def require_two_unfinished(log: Path) -> None:
    rows = pq.read_table(log)
    assert rows["number"].to_pylist() == [0, 1]
    assert rows["outcome"].to_pylist() == [UNFINISHED] * 2


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
    require_end(pid)


def require_end(pid: int) -> None:
    """Wait until a process has ended."""
    waited = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < waited:
        time.sleep(0.01)
    assert not is_alive(pid)


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
