"""Failures at a station: a row with a reason, or one line and an exit code; nothing blocks for ever."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from emulator.system import DeviceSpec
from emulator.task import Partition, Task
from hil.errors import MissingDependency
from hil.mqtt.address import Address
from hil.mqtt.broker import Broker
from hil.stations.event_log import Event
from hil.stations.planning import make_schedule
from hil.stations.processes import Stations, launch_here
from hil.stations.real_times import NOT_ANSWERED
from hil.stations.schedule import Schedule, write_schedule
from tests.hil.lab import kind
from tests.hil.stations.on_stations import FAST, free_addresses, make_system, run
from tests.hil.test_worker_imports import modules_after

IMAGE, LARGE = kind("resnet32", "int8"), kind("alexnet", "int8")
# resnet32 takes about 140 ms on the edge, which queues two tasks and is too small for AlexNet's weights.
EDGE = DeviceSpec(1e9, 10**8, 1e12, 1e12, queue_tasks=2)


def schedule_of(tasks: Sequence[Task], broker: Address) -> Schedule:
    system = make_system([IMAGE, LARGE], {"ue1": FAST, "edge1": EDGE})
    places = {
        IMAGE: (Partition("edge1", 0, len(IMAGE.model.layers)),),
        LARGE: (Partition("ue1", 0, 2), Partition("edge1", 2, len(LARGE.model.layers))),
    }
    placed = [(task, places[task.kind]) for task in tasks]
    return make_schedule(system, placed, free_addresses(["ue1", "edge1"]), broker)


def test_full_queue_too_large_partition_and_killed_station_are_recorded(amqtt: Broker, tmp_path: Path) -> None:
    tasks = [Task("ue1", IMAGE, number, 0) for number in range(4)]
    tasks += [
        Task("ue1", LARGE, 0, 700_000_000),
        Task("ue1", IMAGE, 4, 1_000_000_000),
        Task("ue1", IMAGE, 5, 2_400_000_000),
    ]
    processes: dict[str, subprocess.Popen[bytes]] = {}

    def launch(node: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        processes[node] = launch_here(node, command)
        if node == "edge1":
            killer = threading.Thread(target=kill_when_done, args=(processes[node], tmp_path / "edge1.station"))
            killer.start()
        return processes[node]

    begun = time.monotonic()
    ran = run(schedule_of(tasks, amqtt.address), tmp_path, 3.0, launch)
    reasons = [ran.of(number)[2].reason for number in range(len(tasks))]
    assert reasons == ["", "", "device queue full", "device queue full", "memory", "", NOT_ANSWERED]
    assert ran.waiting == ("ue1",)
    assert processes["edge1"].wait() == -signal.SIGKILL
    assert time.monotonic() - begun < 90
    assert ran.of(2)[2].sojourn_ns < 100_000_000  # it failed on arrival
    _, _, lost = ran.of(6)
    assert lost.sojourn_ns == ran.at_ns(6, Event.PUBLISHED, 0)[0] - tasks[6].arrival_ns  # until its last event


def kill_when_done(process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Kill a station after it has finished job 5; its rows remain."""
    while process.poll() is None:
        time.sleep(0.1)
        rows = log.read_bytes() if log.is_file() else b""
        finished = [rows[at : at + 36] for at in range(0, len(rows), 36)]
        if any(row[16:20] == (5).to_bytes(4, "little") and row[32] == Event.FINISHED for row in finished):
            time.sleep(0.5)  # its answer goes out
            process.kill()


def station(path: Path, name: str = "ue1") -> "subprocess.CompletedProcess[str]":
    command = [
        sys.executable,
        "-m",
        "hil.station",
        "--schedule",
        str(path),
        "--name",
        name,
        "--out",
        str(path) + ".out",
    ]
    return subprocess.run(command, capture_output=True, text=True, input="", timeout=60, check=False)


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        ('{"version": 1}', "ue1", "weights_seed: Field required"),
        ("nonsense", "ue1", "Invalid JSON"),
        (None, "ue9", "name=ue9: must be a node of"),
    ],
)
def test_invalid_schedule_is_one_line(tmp_path: Path, text: str | None, name: str, says: str) -> None:
    path = tmp_path / "schedule.json"
    write_schedule(path, schedule_of([], Address("127.0.0.1", 1)))
    if text is not None:
        path.write_text(text)
    done = station(path, name)
    assert done.returncode == 3
    assert says in done.stderr
    assert str(path) in done.stderr
    assert done.stderr.count("\n") == 1


def test_missing_schedule_is_one_line(tmp_path: Path) -> None:
    done = station(tmp_path / "none.json")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "none.json" in done.stderr


def test_station_does_not_start_without_its_broker(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = Address(*server.getsockname())
    write_schedule(tmp_path / "schedule.json", schedule_of([], nobody))
    done = station(tmp_path / "schedule.json")
    assert done.returncode == 4
    assert done.stderr.startswith(f"cannot reach broker {nobody}: ")
    with (
        pytest.raises(MissingDependency, match="stations not ready within 60 s: ue1, edge1"),
        Stations(tmp_path / "schedule.json", ["ue1", "edge1"], tmp_path) as stations,
    ):
        stations.await_ready(60)


def test_occupied_address_is_one_line(tmp_path: Path) -> None:
    schedule = replace(schedule_of([], Address("127.0.0.1", 1)), broker=None)
    write_schedule(tmp_path / "schedule.json", schedule)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(schedule.addresses["ue1"])
        done = station(tmp_path / "schedule.json")
    assert done.returncode == 4
    assert done.stderr.startswith("cannot listen on ")


def test_a_station_ends_with_its_standard_input(tmp_path: Path, amqtt: Broker) -> None:
    write_schedule(tmp_path / "schedule.json", schedule_of([], amqtt.address))
    done = station(tmp_path / "schedule.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ready\n", "")


def test_source_does_not_import_heavy_libraries() -> None:
    tops = {module.partition(".")[0] for module in modules_after("hil.station")}
    assert {"hil", "paho", "numpy"} <= tops
    assert not tops & {"torch", "transformers", "pyarrow", "pandas", "numba", "simpy", "matplotlib"}
