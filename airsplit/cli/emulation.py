"""`airsplit emulate`: run a scenario in real time."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from airsplit.cli.options import Json, NoFigures, OutFolder, Overrides, Quiet, ScenarioFile, Seed, Traceback
from airsplit.cli.output import command_line, print_notes, print_run


def emulate(
    scenario: ScenarioFile,
    policy: Annotated[str | None, typer.Option("--policy", help="Label; instead of realtime.policy.")] = None,
    seed: Seed = None,
    out: OutFolder = Path("runs"),
    overrides: Overrides = None,
    cli: Annotated[bool, typer.Option("--cli", help="Mininet's prompt in the network, instead of tasks.")] = False,
    no_figures: NoFigures = False,
    as_json: Json = False,
    quiet: Quiet = False,
    _: Traceback = False,
) -> None:
    """Run a scenario with real packets of real programs in real time, in a private network (needs root)."""
    from airsplit.emulation_run import load_for_emulation, run_emulation
    from emulator.realtime import sandbox
    from results.agreement.unanswered import unanswered_sentence
    from results.progress import RunProgress
    from topologies.loading.loader import prefix_errors

    chosen = load_for_emulation(scenario, overrides or (), seed, policy, tasks=not cli)
    if not sandbox.inside():
        sandbox.require()
        sys.exit(sandbox.run_inside([sys.executable, *sys.orig_argv[1:]]))
    command = command_line()
    progress = RunProgress(quiet or cli)  # bars would write over the prompt
    with prefix_errors(scenario, overrides or ()):
        run = run_emulation(
            chosen, scenario, out, command, progress, prompt=cli, left_out=("figures",) if no_figures else ()
        )
    if run.manifest.facts.emulation is not None and run.manifest.facts.emulation.unanswered:
        print_notes(run.path, [unanswered_sentence(run.manifest.facts.emulation)])
    print_run(run, as_json)
