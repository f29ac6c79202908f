"""`airsplit run`: simulate a scenario."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airsplit.cli.hosts import login_of_run
from airsplit.cli.options import (
    BrokerUser,
    CaFile,
    Json,
    Mlflow,
    NoCache,
    NoFigures,
    OutFolder,
    Overrides,
    PasswordFile,
    Quiet,
    ScenarioFile,
    Seed,
    TensorBoard,
    Traceback,
)
from airsplit.cli.output import command_line, print_run, track_run
from airsplit.cli.sensitivity import SEEDS, processors
from emulator.policy import EngineName

if TYPE_CHECKING:
    from results.run.manifest import LeftOut


def run(
    scenario: ScenarioFile,
    seed: Seed = None,
    out: OutFolder = Path("runs"),
    overrides: Overrides = None,
    hil: Annotated[
        str | None, typer.Option("--hil", metavar="local|HOST:PORT", help="Also run tasks on workers, over MQTT.")
    ] = None,
    user: BrokerUser = None,
    password_file: PasswordFile = None,
    ca_file: CaFile = None,
    engine: Annotated[
        EngineName, typer.Option(help="Run by compiled code, or by SimPy processes: same records.")
    ] = "compiled",
    no_figures: NoFigures = False,
    no_bound: Annotated[bool, typer.Option("--no-bound", help="Compute no bound: rows then have no gap.")] = False,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help=f"Then vary one assumption at a time, with {SEEDS} seeds.")
    ] = False,
    no_cache: NoCache = False,
    mlflow: Mlflow = None,
    tensorboard: TensorBoard = None,
    as_json: Json = False,
    quiet: Quiet = False,
    _: Traceback = False,
) -> None:
    """Simulate a scenario under every policy that it names, and write records, figures and a report."""
    from airsplit.sensitivity import add_sensitivity, vary_scenario
    from airsplit.simulation_run import run_simulation
    from airsplit.tracking.trackers import Trackers
    from emulator.core.cache import Cache, user_cache
    from results.progress import RunProgress
    from topologies.loading.loader import load, prefix_errors

    if sensitivity and hil:
        raise ValueError("--sensitivity: must not be given beside --hil, whose measured times no variant has")
    trackers = Trackers(mlflow, tensorboard)
    trackers.require()
    chosen = load(scenario, overrides or (), seed)
    varied_scenario = vary_scenario(scenario, overrides or (), ()) if sensitivity else None
    command = command_line()
    left_out: dict[LeftOut, bool] = {"bound": no_bound, "figures": no_figures}
    asked = tuple(name for name, out_of_it in left_out.items() if out_of_it)
    progress = RunProgress(quiet)
    login = login_of_run(hil, user, password_file, ca_file)
    cache = Cache() if no_cache else user_cache()
    with prefix_errors(scenario, overrides or ()):
        run = run_simulation(
            chosen, scenario, out, command, progress, hil, engine=engine, left_out=asked, login=login, cache=cache
        )
    if varied_scenario is not None:
        run = add_sensitivity(run, varied_scenario, SEEDS, processors(), RunProgress(quiet), not no_cache)
    unlogged = track_run(run, trackers)
    print_run(run, as_json)
    if unlogged:
        sys.exit(6)
