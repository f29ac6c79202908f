"""The calibrations that the deliveries of a scenario's tasks need."""

from collections.abc import Mapping
from pathlib import Path

from emulator.activation.concealment import Calibration
from emulator.system import System
from topologies.quality.tables import load_calibration
from topologies.schema.scenario import Scenario


def calibrations_of(scenario: Scenario, system: System, home: Path) -> dict[str, Mapping[int, Calibration]]:
    """Return by task and cut what receivers know of activations, of the tasks whose delivery needs it: beside the
    task's quality table, by default the shipped one. Raises ValueError, one line, if there is none."""
    found: dict[str, Mapping[int, Calibration]] = {}
    for task in scenario.tasks:
        kind = system.kinds.get(task.name)
        if kind is not None and kind.delivery is not None and kind.delivery.recipe.needs_calibration:
            found[task.name] = load_calibration(str(home / task.quality) if task.quality else kind.model.name)
    return found
