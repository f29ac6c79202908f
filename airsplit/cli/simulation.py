"""`airsplit run`: simulate a scenario."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from airsplit.cli.options import Json, OutFolder, Overrides, Quiet, ScenarioFile, Seed
from airsplit.cli.output import print_run


class EngineName(StrEnum):
    """Names of the simulation's engines."""

    compiled = "compiled"
    simpy = "simpy"


def run(
    scenario: ScenarioFile,
    seed: Seed = None,
    out: OutFolder = Path("runs"),
    overrides: Overrides = None,
    hil: Annotated[
        str | None, typer.Option("--hil", metavar="local|HOST:PORT", help="Also run tasks on workers, over MQTT.")
    ] = None,
    engine: Annotated[EngineName, typer.Option(help="Run by compiled code, or by SimPy processes: same records.")] = (
        EngineName.compiled
    ),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate a scenario under every policy that it names, and write records, figures and a report."""
    from airsplit.simulation_run import run_simulation
    from results.progress import RunProgress
    from topologies.loading.loader import load

    chosen = load(scenario, overrides or (), seed)
    command = ("airsplit", *sys.argv[1:])
    print_run(run_simulation(chosen, scenario, out, command, RunProgress(quiet), hil, engine=engine.value), as_json)
