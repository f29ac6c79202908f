"""The class of a scenario's switches, by the name that `realtime.switch` gives."""

import importlib
from typing import cast

from mininet import node, nodelib
from mininet.node import IVSSwitch, OVSSwitch, Switch

from emulator.core.errors import MissingDependency
from topologies.mininet.nodes import StaticBridge
from topologies.mininet.quiet_log import saying_nothing


def switch_class(name: str) -> type:
    """`LinuxBridge`, another class of Mininet, or a user's own as `module:Class`.

    Raises ValueError, one line, where there is no such switch, or it cannot forward in a network namespace of its
    own; MissingDependency where it needs what this machine lacks.
    """
    if name == "LinuxBridge":
        found: object = StaticBridge
    elif ":" in name:
        found = _users_own(*name.split(":"))
    else:
        found = getattr(nodelib, name, getattr(node, name, None))
    if not (isinstance(found, type) and issubclass(found, Switch)):
        raise ValueError(f"realtime.switch={name}: must be a class of Mininet's switches, or module:Class of your own")
    if issubclass(found, OVSSwitch | IVSSwitch):
        raise ValueError(
            f"realtime.switch={name}: must forward in a network namespace of its own, which Open vSwitch and Indigo,"
            " each one daemon for the machine, do not"
        )
    _check_machine(name, found)
    return found


def _users_own(module: str, name: str) -> object:
    try:
        return cast(object, getattr(importlib.import_module(module), name))
    except Exception as error:  # importing runs the user's code, which can raise anything
        said = " ".join(str(error).split())
        raise ValueError(
            f"realtime.switch={module}:{name}: must be a class that can be imported ({type(error).__name__}: {said})"
        ) from error


def _check_machine(name: str, found: type) -> None:
    """Have the class look for the programs that it needs; Mininet's exit where they are missing."""
    try:
        with saying_nothing():  # it would over several lines
            found.checkSetup()  # type: ignore[attr-defined]  # of Mininet's Node
    except SystemExit as error:
        raise MissingDependency(
            f"realtime.switch={name}: needs a program that is not installed; LinuxBridge needs brctl"
            " (Debian: bridge-utils)"
        ) from error
