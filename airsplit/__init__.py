"""Python interface: load a scenario, run it under policies, read the records.

    scenario = airsplit.load("quickstart.yaml", {"duration_s": 10})
    run = scenario.run(policies=["exact", "random"])
    run.summary

`__all__` lists the interface; every other name may change. Bad input raises ValueError with the one line that the
command line prints.
"""

import airsplit.own_packages  # noqa: F401 (first of all: the imports below then find our packages)

# isort: split
from typing import TYPE_CHECKING

from airsplit.finished_run import FinishedRun, open_run
from airsplit.loaded_scenario import LoadedScenario, load
from airsplit.simulation_result import SimulationResult, simulate
from emulator.policy import Observation, Policy
from emulator.task import Partition, Placement
from emulator.trace import Trace

if TYPE_CHECKING:
    from emulator.simulation.simpy_engine import SimpyEngine

__all__ = [
    "FinishedRun",
    "LoadedScenario",
    "Observation",
    "Partition",
    "Placement",
    "Policy",
    "SimpyEngine",
    "SimulationResult",
    "Trace",
    "load",
    "open_run",
    "simulate",
]


def __getattr__(name: str) -> type["SimpyEngine"]:
    """Import the engine at its first use: it needs the compiler, which most calls do not."""
    if name != "SimpyEngine":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from emulator.simulation.simpy_engine import SimpyEngine

    return SimpyEngine
