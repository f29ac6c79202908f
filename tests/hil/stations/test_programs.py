"""Commands in hosts: their start, their output, their outcome, and that no process remains."""

import csv
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

import hil.stations.programs
from hil.stations.programs import Program, Programs, write_programs
from topologies.schema.realtime import CommandSection

HERE = "ue1"


class ThisMachine:
    """This machine as a host: programs lead their own process groups, as with `mnexec -d`."""

    def popen(self, command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(command, start_new_session=True, **options)


class Unreachable:
    def popen(self, command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        raise FileNotFoundError(2, "No such file or directory", "mnexec")


def run(folder: Path, commands: list[CommandSection], lasting_s: float, host: Any = None) -> list[Program]:
    with Programs(commands, {HERE: host or ThisMachine()}, time.monotonic_ns(), folder, folder) as programs:
        time.sleep(lasting_s)
    return programs.programs


def lines(folder: Path, program: Program) -> list[str]:
    return (folder / program.output).read_text().splitlines()


def command(line: str, at_s: float = 0.0) -> CommandSection:
    return CommandSection(node=HERE, run=line, at_s=at_s)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_command_runs_in_a_shell_in_the_folder_and_knows_its_node(tmp_path: Path) -> None:
    (program,) = run(
        tmp_path, [command("echo $AIRSPLIT_NODE | tr u U; pwd; echo $AIRSPLIT_START_NS; echo no >&2")], 0.3
    )
    node, folder, start_ns, complaint = lines(tmp_path, program)
    assert (node, folder, complaint) == ("Ue1", str(tmp_path), "no")
    assert 0 <= time.monotonic_ns() - int(start_ns) < 60e9
    assert (program.outcome, program.exit_status, program.complaint) == ("done", 0, None)


def test_commands_start_at_their_times(tmp_path: Path) -> None:
    programs = run(tmp_path, [command("true", 0.4), command("true", 0.1), command("true", 9.0)], 0.7)
    assert [program.outcome for program in programs] == ["done", "done", "not started"]
    for program in programs[:2]:
        assert program.started_s is not None
        assert program.ended_s is not None
        assert program.at_s <= program.started_s < program.at_s + 0.2
        assert program.started_s < program.ended_s
    assert programs[2].complaint == "realtime.commands[2] at ue1: not started: the run was over"


def test_failed_commands_are_reported(tmp_path: Path) -> None:
    wrong, missing, killed = run(tmp_path, [command("exit 3"), command("no-such-program"), command("kill -9 $$")], 0.4)
    assert wrong.complaint == "realtime.commands[0] at ue1: failed: exit status 3"
    assert (missing.outcome, missing.exit_status) == ("failed", 127)
    assert "not found" in lines(tmp_path, missing)[0]
    assert (killed.exit_status, killed.reason) == (137, "SIGKILL")


def test_host_that_cannot_start_a_command_is_reported(tmp_path: Path) -> None:
    (program,) = run(tmp_path, [command("true")], 0.1, Unreachable())
    assert program.outcome == "not started"
    assert program.complaint is not None
    assert "mnexec" in program.complaint


def test_end_of_the_run_ends_commands_and_their_children(tmp_path: Path) -> None:
    left, endless = run(tmp_path, [command("sleep 600 & echo $!"), command("echo $$; exec sleep 600")], 0.4)
    assert (left.outcome, left.exit_status) == ("done", 0)
    assert (endless.outcome, endless.exit_status, endless.ended_s) == ("ended", 128 + signal.SIGTERM, None)
    assert endless.complaint is None
    for program in (left, endless):
        give_up = time.monotonic() + 2.0
        while is_alive(int(lines(tmp_path, program)[0])) and time.monotonic() < give_up:
            time.sleep(0.01)
        assert not is_alive(int(lines(tmp_path, program)[0]))


def test_command_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hil.stations.programs, "PROGRAM_EXIT_S", 0.2)
    (program,) = run(tmp_path, [command("trap '' TERM; while :; do sleep 0.05; done")], 0.2)
    assert (program.outcome, program.exit_status) == ("ended", 128 + signal.SIGKILL)


def test_all_descriptors_are_closed(tmp_path: Path) -> None:
    before = descriptors()
    run(tmp_path, [command("true"), command("sleep 600")], 0.2)
    assert descriptors() == before


def test_unknown_values_are_empty_in_the_table(tmp_path: Path) -> None:
    programs = run(tmp_path, [command("echo a, b"), command("true", 9.0)], 0.2)
    write_programs(tmp_path / "programs.csv", programs)
    with (tmp_path / "programs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["command"] for row in rows] == ["echo a, b", "true"]
    assert [row["exit_status"] for row in rows] == ["0", ""]
    assert [row["outcome"] for row in rows] == ["done", "not started"]
    assert rows[0]["output"] == "00-ue1.txt"
