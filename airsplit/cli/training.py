"""`airsplit train` and `profile`: make the files of agents and models that scenarios name."""

from typing import Annotated, Literal

import typer

from airsplit.cli.options import Json, OutFile, Overrides, Quiet, ScenarioFile, Traceback
from airsplit.cli.output import print_written


def train(
    scenario: ScenarioFile,
    agent: Annotated[Literal["ppo", "a3c"], typer.Option("--agent")],
    out: OutFile,
    seed: Annotated[int | None, typer.Option("--seed", help="Instead of the scenario's training seed.")] = None,
    overrides: Overrides = None,
    as_json: Json = False,
    quiet: Quiet = False,
    _: Traceback = False,
) -> None:
    """Train an agent on channels that share nothing with the scenario's run, and write its checkpoint."""
    from agents.training import train_one
    from emulator.core.files import require_writable
    from results.progress import RunProgress
    from topologies.loading.loader import load, prefix_errors

    require_writable(out)
    chosen = load(scenario, overrides or ())
    with prefix_errors(scenario), RunProgress(quiet) as progress:
        seed = chosen.training.seed if seed is None else seed
        checkpoint = train_one(chosen, scenario.parent, agent, seed, progress)
    checkpoint.save(out)
    print_written(out, checkpoint.sha256, as_json)


def profile(
    model: Annotated[str, typer.Argument(help="Name of a model of topologies/models.")],
    out: OutFile,
    as_json: Json = False,
) -> None:
    """Take a model's profile (FLOPs, weights, activations by layer), without memory for its weights."""
    from emulator.core.files import require_writable
    from topologies.models.profiling import take_profile
    from topologies.profiles import save_profile

    require_writable(out)
    save_profile(take_profile(model), out)
    print_written(out, None, as_json)
