"""Lookup of the switch class that `realtime.switch` names."""

import importlib
from typing import cast

from mininet import node, nodelib
from mininet.node import IVSSwitch, OVSSwitch, Switch

from emulator.core.errors import MissingDependency
from topologies.mininet.nodes import StaticBridge
from topologies.mininet.quiet_log import muted_mininet


def switch_class(name: str) -> type:
    """Return the class of `LinuxBridge`, another class of Mininet, or a user's own as `module:Class`.

    Raises ValueError (one line) if there is no such class, or if it cannot forward in a network namespace of its own;
    MissingDependency if a program is not installed.
    """
    if name == "LinuxBridge":
        found: object = StaticBridge
    elif ":" in name:
        found = _import_class(*name.split(":"))
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


def _import_class(module: str, name: str) -> object:
    try:
        return cast(object, getattr(importlib.import_module(module), name))
    except Exception as error:  # importing runs the user's code, which can raise anything
        message = " ".join(str(error).split())
        raise ValueError(
            f"realtime.switch={module}:{name}: must be a class that can be imported ({type(error).__name__}: {message})"
        ) from error


def _check_machine(name: str, found: type) -> None:
    """Raise MissingDependency if the class's own check finds no program; Mininet's check exits then."""
    try:
        with muted_mininet():  # the check logs several lines
            found.checkSetup()  # type: ignore[attr-defined]  # defined by Mininet's Node
    except SystemExit as error:
        raise MissingDependency(
            f"realtime.switch={name}: needs a program that is not installed; LinuxBridge needs brctl"
            " (Debian: bridge-utils)"
        ) from error
