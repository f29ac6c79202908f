"""`airsplit sensitivity`: what the result of a scenario stands on."""

import os
from pathlib import Path
from typing import Annotated

import typer

from airsplit.cli.options import Json, NoCache, OutFolder, Overrides, Quiet, ScenarioFile, Seed, Traceback
from airsplit.cli.output import command_line, print_json, print_notes, print_rows

SEEDS = 5


def sensitivity(
    scenario: ScenarioFile,
    seed: Seed = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=1000, help="Number of seeds, from the seed on.")] = SEEDS,
    policies: Annotated[
        list[str] | None,
        typer.Option("--policy", metavar="LABEL", help="To compare; default: the one with the least cost, and exact."),
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Processes; default: one a processor.")] = None,
    out: OutFolder = Path("runs"),
    overrides: Overrides = None,
    no_cache: NoCache = False,
    as_json: Json = False,
    quiet: Quiet = False,
    _: Traceback = False,
) -> None:
    """Change one assumption at a time, and say how many tasks run elsewhere, what they cost, and who is then better.
    Agents are not trained anew: those without a checkpoint are left out."""
    from airsplit.sensitivity import add_sensitivity, vary_scenario
    from airsplit.simulation_run import run_simulation
    from emulator.core.cache import Cache, user_cache
    from results.progress import RunProgress
    from results.run.manifest import SENSITIVITY_FILE
    from results.sensitivity import HEADINGS, cells_of, conclusion, read_sensitivity, reasons
    from topologies.loading.loader import load, prefix_errors

    varied_scenario = vary_scenario(scenario, overrides or (), policies or ())
    chosen = load(scenario, varied_scenario.overrides, seed)
    cache = Cache() if no_cache else user_cache()
    with prefix_errors(scenario, overrides or ()):
        run = run_simulation(chosen, scenario, out, command_line(), RunProgress(quiet), cache=cache)
    run = add_sensitivity(run, varied_scenario, seeds, jobs or processors(), RunProgress(quiet), not no_cache)
    path = run.path / SENSITIVITY_FILE
    table = read_sensitivity(path)
    assert table is not None
    if as_json:
        rows = table.to_dict("records")
        print_json({"run": str(run.path), "report": str(run.path / "report.html"), "sensitivity": rows})
        return
    cells = cells_of(table)
    if cells:
        print_rows([dict(zip(HEADINGS, row, strict=True)) for row in cells])
    print_notes(scenario, reasons(table))
    print(conclusion(table))
    print(f"report: {run.path / 'report.html'}")


def processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0))
