"""Control groups that limit the processor time of an emulation's hosts.

Mininet's own `CPULimitedHost` names a group after its host, so two networks on a machine would share it. It also
supports version 1 of control groups only, and cannot start a program in a host whose name contains `_`.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from emulator.core.errors import MissingDependency
from emulator.realtime.sandbox.namespaces import own_network_inode

CGROUP_ROOT = Path("/sys/fs/cgroup")
VERSION_1 = "cpu"  # the folder of version 1's controller of processor time
PERIOD_US = 100_000  # the kernel's default
MIN_QUOTA_US = 1_000  # the kernel's minimum
GROUP_PREFIX = "airsplit-"


class CpuGroup(NamedTuple):
    """A control group whose processes share a part of the machine's processors."""

    folder: Path

    @property
    def members(self) -> Path:
        """The file to which the id of a new member is written; 0 for the writing process."""
        return self.folder / "cgroup.procs"

    def remove(self) -> None:
        """Remove the group. If a process is still ending in it, the next emulation removes it."""
        for folder in (self.folder, self.folder.parent):
            with suppress(OSError):
                folder.rmdir()


class CpuGroups:
    """The groups of one emulation, below a group named after its network namespace, by which the sandbox's reaper finds
    and removes them if the emulation is killed."""

    def __init__(self, root: Path = CGROUP_ROOT) -> None:
        """Raise MissingDependency if the machine has no controller of processor time."""
        self._unified = not (root / VERSION_1 / "cpu.shares").exists()
        self._root = root if self._unified else root / VERSION_1
        if self._unified and "cpu" not in _words(root / "cgroup.controllers"):
            raise MissingDependency(
                f"realtime.hosts: cpu needs control groups with the controller `cpu` at {root}; leave cpu out here"
            )
        self._folder = self._root / f"{GROUP_PREFIX}{own_network_inode()}"

    def limit(self, name: str, share: float, pid: int) -> CpuGroup:
        """Make a group that may use `share` of all processors of the machine, with a process in it, and remove empty
        groups of killed emulations. Raises MissingDependency if groups cannot be changed."""
        group = CpuGroup(self._folder / name)
        try:
            with self._locked():
                self._remove_unused()
                self._make(group.folder, share)
                group.members.write_text(str(pid))
        except OSError as error:
            raise MissingDependency(
                f"realtime.hosts: cpu needs control groups that may be changed ({error}); leave cpu out here"
            ) from error
        return group

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Exclude other emulations: a new group without a process looks like one of a killed emulation."""
        lock = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _remove_unused(self) -> None:
        for folder in self._root.glob(f"{GROUP_PREFIX}*/"):
            for group in (*folder.glob("*/"), folder):
                with suppress(OSError):  # the kernel refuses to remove a group in use
                    group.rmdir()

    def _make(self, folder: Path, share: float) -> None:
        quota_us = max(MIN_QUOTA_US, round(share * (os.cpu_count() or 1) * PERIOD_US))
        if self._unified:
            self._enable_in_subgroups(self._root)
        self._folder.mkdir(exist_ok=True)
        if self._unified:
            self._enable_in_subgroups(self._folder)
        folder.mkdir(exist_ok=True)
        if self._unified:
            (folder / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        else:
            (folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (folder / "cpu.cfs_quota_us").write_text(str(quota_us))

    @staticmethod
    def _enable_in_subgroups(folder: Path) -> None:
        """Enable the controller for the subgroups, which version 2 requires."""
        enabled = folder / "cgroup.subtree_control"
        if "cpu" not in _words(enabled):
            enabled.write_text("+cpu")


def _words(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []
