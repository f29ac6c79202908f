"""The command line: declares the commands and their options, calls the rest of the package, prints results.

Results go to standard output, messages to standard error, one line each. Exit codes: 0 done, 2 wrong usage, 3 bad input
(a missing file too), 4 something that this machine lacks, 5 a run whose own checks failed, 6 a run whose records are
complete, but not its bound, figures or report. Commands import what they need when they run, so that the others start
at once.
"""

import importlib.util
import logging
import os
import signal
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from airsplit.cli.emulation import emulate
from airsplit.cli.hosts import broker, hosts, worker
from airsplit.cli.machine import doctor
from airsplit.cli.output import fail
from airsplit.cli.runs import figures, report, rerun
from airsplit.cli.simulation import run
from airsplit.cli.traces import trace_app
from airsplit.cli.training import profile, train
from emulator.core.errors import MissingDependency, UnfinishedRun
from emulator.core.files import NO_SPACE
from emulator.realtime.relay import RelayFailed

app = typer.Typer(
    name="airsplit",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (run, emulate, rerun, figures, report, train, profile, broker, worker, hosts, doctor):
    app.command()(command)
app.add_typer(trace_app, name="trace")


def print_version(asked: bool) -> None:
    """Print the version and exit if `--version` was given."""
    if asked:
        print(f"airsplit {version('airsplit')}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Where should each part of a neural network run when devices and servers are joined by a 5G link?"""


def require_own_packages() -> None:
    """Raise MissingDependency if a package of another project hides one of ours on the path."""
    root = Path(__file__).parents[2]
    for name in ("agents", "emulator", "hil", "results", "topologies"):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin != str(root / name / "__init__.py"):
            found = "no package" if spec is None else spec.origin or "a folder without __init__.py"
            raise MissingDependency(f"package {name} of {root}: {found} is found instead; take it off PYTHONPATH")


def main() -> None:
    """Run the command line; an error becomes one line on standard error and an exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that processes that we started end with us
    sys.path.append(str(Path.cwd()))  # policies named `module:Class` are imported from the working directory
    os.environ["MPLBACKEND"] = "agg"  # figures are files; the backend of a notebook's kernel may not be installed here
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    os.environ["MATPLOTLIBRC"] = os.devnull  # figures have settings of their own
    try:
        require_own_packages()
        app()
    except (MissingDependency, RelayFailed, UnfinishedRun, ImportError, OSError, ValueError) as error:
        if "--traceback" in sys.argv:
            traceback.print_exception(error)
        fail(*code_and_line(error))


def code_and_line(error: Exception) -> tuple[int, str]:
    """Return the exit code for an error, and what to print."""
    match error:
        case MissingDependency() | RelayFailed():
            return 4, str(error)
        case UnfinishedRun():
            return 6, str(error)
        case ImportError():
            return 4, f"package {error.name}: {error}; install it: {sys.executable} -m pip install {error.name}"
        case OSError():
            return 4 if error.errno in NO_SPACE else 3, f"{error.filename or 'file'}: {error.strerror or error}"
        case _:
            return 3, str(error)
