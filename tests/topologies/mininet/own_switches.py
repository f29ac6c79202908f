"""Switches of a user's own, as `module:Class`."""

from typing import Any

from mininet.node import Switch
from mininet.nodelib import LinuxBridge


class LearningBridge(LinuxBridge):  # type: ignore[misc]  # Mininet has no types
    """Without a static table: floods frames to unknown hosts."""


class DeadSwitch(Switch):  # type: ignore[misc]  # Mininet has no types
    """Forwards nothing."""

    def start(self, controllers: Any) -> None:
        """Do nothing."""
