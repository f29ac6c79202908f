"""The inputs of a run, read back from its folder."""

from pathlib import Path
from typing import NamedTuple

from emulator.layer_times import load_measured, with_measured
from emulator.system import System
from topologies.build import build
from topologies.build.emulation_scope import emulated_system
from topologies.build.run_inputs import load_traces
from topologies.loading.loader import load, prefix_errors
from topologies.schema.scenario import Scenario


class StoredRun(NamedTuple):
    """The scenario and the system of a run; that of an emulation is cut to what was emulated."""

    scenario: Scenario
    system: System


def load_stored(folder: Path, rung: str) -> StoredRun:
    """Read the scenario and the system of a run of this rung, with its stored traces and measured layer times.
    Raises ValueError, one line, for a damaged file."""
    with prefix_errors(folder / "scenario.yaml"):
        scenario = load(folder / "scenario.yaml")
        system = build(scenario, folder, load_traces(folder))
    system = with_measured(system, load_measured(folder / "measured.json"))
    return StoredRun(scenario, emulated_system(scenario, system) if rung == "emu" else system)
