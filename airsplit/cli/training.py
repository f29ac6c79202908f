"""`airsplit train` and `profile`: make the files of agents and models that scenarios name."""

import shlex
import sys
from collections.abc import Callable
from typing import Annotated, Literal

import typer

from airsplit.cli.options import Json, Mlflow, NoCache, OutFile, Overrides, Quiet, ScenarioFile, TensorBoard, Traceback
from airsplit.cli.output import command_line, print_notes, print_written


def train(
    scenario: ScenarioFile,
    agent: Annotated[Literal["ppo", "a2c", "a3c"], typer.Option("--agent")],
    out: OutFile,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a training that was interrupted, from its state beside --out.")
    ] = False,
    save_every: Annotated[float, typer.Option("--save-every", min=0, help="Seconds between two states.")] = 10.0,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, max=2**63 - 1, help="Instead of the scenario's training seed.")
    ] = None,
    overrides: Overrides = None,
    no_cache: NoCache = False,
    mlflow: Mlflow = None,
    tensorboard: TensorBoard = None,
    as_json: Json = False,
    quiet: Quiet = False,
    _: Traceback = False,
) -> None:
    """Train an agent on channels that share nothing with the scenario's run, and write its checkpoint.

    Meanwhile the training's state is written beside it now and then, as OUT.training, for --resume.
    """
    from agents.learning.training.supervision import TrainingPoint
    from agents.learning.training.tensorboard import TensorBoardLog
    from agents.training import TrainingFiles, train_one
    from airsplit.tracking.tracked import tracked_training
    from airsplit.tracking.trackers import Trackers
    from emulator.core.cache import Cache, user_cache
    from emulator.core.files import require_writable, sole_writer
    from results.progress import RunProgress
    from topologies.loading.loader import load, prefix_errors

    require_writable(out)
    trackers = Trackers(mlflow)
    trackers.require()
    points: list[TrainingPoint] = []
    observers: list[Callable[[TrainingPoint], None]] = []
    if mlflow:  # the training changes its points at its end
        observers.append(lambda point: points.append(point._replace(values=dict(point.values))))
    observers += [TensorBoardLog(tensorboard / out.stem)] if tensorboard else []
    files = TrainingFiles(out.with_name(f"{out.name}.training"), resume, save_every, tuple(observers))
    chosen = load(scenario, overrides or ())
    with sole_writer(out):
        with prefix_errors(scenario, overrides or ()), RunProgress(quiet) as progress:
            seed = chosen.training.seed if seed is None else seed
            cache = Cache() if no_cache else user_cache()
            checkpoint = train_one(chosen, scenario.parent, agent, seed, progress, cache, files)
        checkpoint.save(out)
        files.remove_state()
    settings = {"agent": agent, "seed": str(seed)}
    settings |= {name: str(value) for name, value in checkpoint.training.settings.items()}
    unlogged = trackers.log(
        lambda: tracked_training(chosen.name, settings, points, out, checkpoint.sha256), shlex.join(command_line())
    )
    print_notes(out, unlogged)
    print_written(out, checkpoint.sha256, as_json)
    if unlogged:
        sys.exit(6)


def profile(
    model: Annotated[str, typer.Argument(help="A shipped model, or module:Class, a torch module of your own.")],
    out: OutFile,
    input_shape: Annotated[
        str | None, typer.Option("--input-shape", metavar="1,3,224,224", help="Of one input of your module.")
    ] = None,
    example: Annotated[
        str | None, typer.Option("--example", metavar="MODULE:FUNCTION", help="Instead: what returns such an input.")
    ] = None,
    as_json: Json = False,
    _: Traceback = False,
) -> None:
    """Take a model's profile: FLOPs, weights and activations by layer."""
    from emulator.core.files import require_writable
    from topologies.profiles import save_profile

    require_writable(out)
    if out.suffix != ".json":
        raise ValueError(f"--out {out}: must end in .json, by which scenarios know files of profiles")
    if ":" in model:
        from airsplit.own_model import profile_own

        taken = profile_own(model, out.stem, input_shape, example)
    else:
        from topologies.models.profiling import take_profile

        if input_shape is not None or example is not None:
            raise ValueError(f"{model}: --input-shape and --example: must be given for module:Class alone")
        taken = take_profile(model)
    save_profile(taken, out)
    print_written(out, None, as_json)
