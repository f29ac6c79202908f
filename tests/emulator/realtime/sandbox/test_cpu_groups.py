"""Control groups as files: what the kernel is asked for, and what a machine without them says.

That version 1 then limits is tested in `tests.topologies.mininet.test_network`; version 2 by what is written alone.
"""

import os
from pathlib import Path

import pytest

from emulator.core.errors import MissingDependency
from emulator.realtime.sandbox.cpu_groups import CpuGroups

CORES = os.cpu_count() or 1


def test_version_2_is_asked_for_a_quota_and_to_hand_the_controller_down(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory\n")
    (tmp_path / "cgroup.subtree_control").write_text("memory\n")
    group = CpuGroups(tmp_path).limit("ue1", 0.25, 4711)
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu"
    assert (group.folder.parent / "cgroup.subtree_control").read_text() == "+cpu"
    assert (group.folder / "cpu.max").read_text() == f"{25_000 * CORES} 100000"
    assert group.members.read_text() == "4711"
    assert group.folder.parent.parent == tmp_path


def test_version_1_is_asked_for_a_quota(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.shares").write_text("1024\n")
    group = CpuGroups(tmp_path).limit("ue1", 0.001, 4711)
    assert (group.folder / "cpu.cfs_period_us").read_text() == "100000"
    assert (group.folder / "cpu.cfs_quota_us").read_text() == "1000"  # the kernel takes no less
    assert group.members.read_text() == "4711"


def test_empty_groups_that_a_killed_emulation_left_are_removed_and_used_ones_are_not(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu\n")
    (tmp_path / "airsplit-1" / "ue1").mkdir(parents=True)
    used = tmp_path / "airsplit-2" / "ue1"
    used.mkdir(parents=True)
    (used / "cgroup.procs").write_text("1\n")  # a folder with a file is not removed, as a group with a process is not
    CpuGroups(tmp_path).limit("ue1", 0.5, 4711)
    assert not (tmp_path / "airsplit-1").exists()
    assert used.exists()


def test_a_machine_without_the_controller_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match=r"^realtime\.hosts: cpu needs control groups .*; leave cpu out here$"):
        CpuGroups(tmp_path)


def test_groups_that_may_not_be_changed_are_reported(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu\n")
    (tmp_path / "cgroup.subtree_control").mkdir()  # nobody can write to it, as in a container
    with pytest.raises(MissingDependency, match=r"^realtime\.hosts: cpu needs control groups that may be changed \("):
        CpuGroups(tmp_path).limit("ue1", 0.5, 4711)
