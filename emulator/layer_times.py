"""Layer times measured on real hosts: applied to a system, saved with a run, loaded again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from emulator.core.files import atomic_write
from emulator.system import LayerTimes, System

Measured = Mapping[str, Mapping[str, LayerTimes]]  # node -> model -> times


def measured_of(system: System) -> Measured:
    """Return the measured times of a system's devices."""
    return {name: node.device.measured for name, node in system.nodes.items() if node.device and node.device.measured}


def with_measured(system: System, measured: Measured) -> System:
    """Return the system with measured layer times, instead of the roofline model's, for the devices of the named
    nodes."""
    nodes = {
        name: replace(node, device=replace(node.device, measured=measured[name]))
        if name in measured and node.device is not None
        else node
        for name, node in system.nodes.items()
    }
    return replace(system, nodes=nodes)


def save_measured(path: Path, measured: Measured) -> None:
    """Write the times as JSON, atomically."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(rows_of(measured), indent=1) + "\n", encoding="utf-8")


def rows_of(measured: Measured) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the times as plain data."""
    return {node: {model: asdict(times) for model, times in models.items()} for node, models in measured.items()}


def load_measured(path: Path) -> Measured:
    """Read a file of `save_measured`. Raises ValueError, one line, for any other file."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {
            node: {
                model: LayerTimes(**{name: tuple(map(int, values)) for name, values in times.items()})
                for model, times in models.items()
            }
            for node, models in rows.items()
        }
    except (AttributeError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: must be layer times that airsplit wrote ({error})") from error
