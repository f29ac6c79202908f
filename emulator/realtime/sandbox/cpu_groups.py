"""Control groups that limit the processor time of an emulation's hosts.

Mininet's own `CPULimitedHost` names a group as its host, for the whole machine: two networks at once would share it.
It also knows control groups of version 1 alone, and starts no program in a host whose name holds `_`.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from emulator.core.errors import MissingDependency
from emulator.realtime.sandbox.namespaces import own_network

ROOT = Path("/sys/fs/cgroup")
VERSION_1 = "cpu"  # the folder below it of the controller that version 1 has for this
PERIOD_US = 100_000  # in which a group may use up its share: the kernel's default
SHORTEST_QUOTA_US = 1_000  # that the kernel takes
PREFIX = "airsplit-"


class CpuGroup(NamedTuple):
    """Processes that have a share of the machine's processors together."""

    folder: Path

    @property
    def members(self) -> Path:
        """The file that takes the number of a process, or 0 for the writer's own."""
        return self.folder / "cgroup.procs"

    def remove(self) -> None:
        """Remove the group. Where a process of it is still dying it stays until the next emulation's is made."""
        for folder in (self.folder, self.folder.parent):
            with suppress(OSError):
                folder.rmdir()


class CpuGroups:
    """The groups of one emulation, below one that is named by its network namespace: so `emulator.realtime.sandbox`
    finds and removes them if the emulation cannot."""

    def __init__(self, root: Path = ROOT) -> None:
        """Raises MissingDependency where the machine limits no processor time."""
        self._unified = not (root / VERSION_1 / "cpu.shares").exists()
        self._root = root if self._unified else root / VERSION_1
        if self._unified and "cpu" not in _words(root / "cgroup.controllers"):
            raise MissingDependency(
                f"realtime.hosts: cpu needs control groups with the controller `cpu` at {root}; leave cpu out here"
            )
        self._folder = self._root / f"{PREFIX}{own_network()}"

    def limit(self, name: str, share: float, pid: int) -> CpuGroup:
        """A new group that may use a share of all the machine's processors, with a process in it. Empty groups that
        killed emulations have left are removed. Raises MissingDependency where the machine does not let it."""
        group = CpuGroup(self._folder / name)
        try:
            with self._locked():
                self._sweep()
                self._make(group.folder, share)
                group.members.write_text(str(pid))
        except OSError as error:
            raise MissingDependency(
                f"realtime.hosts: cpu needs control groups that may be changed ({error}); leave cpu out here"
            ) from error
        return group

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Another emulation's group that has no process yet looks as if it was left behind."""
        lock = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _sweep(self) -> None:
        for folder in self._root.glob(f"{PREFIX}*/"):
            for group in (*folder.glob("*/"), folder):
                with suppress(OSError):  # the kernel removes none that is in use
                    group.rmdir()

    def _make(self, folder: Path, share: float) -> None:
        quota_us = max(SHORTEST_QUOTA_US, round(share * (os.cpu_count() or 1) * PERIOD_US))
        if self._unified:
            self._hand_down(self._root)
        self._folder.mkdir(exist_ok=True)
        if self._unified:
            self._hand_down(self._folder)
        folder.mkdir(exist_ok=True)
        if self._unified:
            (folder / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        else:
            (folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (folder / "cpu.cfs_quota_us").write_text(str(quota_us))

    @staticmethod
    def _hand_down(folder: Path) -> None:
        """Version 2 lets a group limit processor time only where the one above hands that down."""
        handed_down = folder / "cgroup.subtree_control"
        if "cpu" not in _words(handed_down):
            handed_down.write_text("+cpu")


def _words(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []
