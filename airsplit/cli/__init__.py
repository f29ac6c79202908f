"""The command line: declares the commands and their options, calls the rest of the package, prints results.

Results go to standard output, messages to standard error, one line each. Exit codes: 0 done, 2 wrong usage, 3 bad input
(a missing file too), 4 something that this machine lacks, 5 a run whose own checks failed or a study with failed cells,
6 a run whose records are complete, but not its bound, figures or report, or a study without figures. Commands import
what they need when they run, so that the others start at once.
"""

import io
import logging
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from airsplit.cli.catalogue import models, schema
from airsplit.cli.emulation import emulate
from airsplit.cli.groups import groups
from airsplit.cli.hosts import broker, hosts, worker
from airsplit.cli.machine import doctor
from airsplit.cli.output import fail
from airsplit.cli.quality import quality
from airsplit.cli.runs import compare, figures, report, rerun
from airsplit.cli.sensitivity import sensitivity
from airsplit.cli.simulation import run
from airsplit.cli.study import study
from airsplit.cli.traces import trace_app
from airsplit.cli.training import profile, train
from airsplit.own_packages import hidden_packages
from emulator.core.errors import MissingDependency, Mistakes, UnfinishedRun
from emulator.core.files import NO_SPACE
from emulator.core.sources import own_version
from emulator.realtime.relay import RelayFailed

app = typer.Typer(
    name="airsplit",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
COMMANDS = (
    run,
    study,
    sensitivity,
    emulate,
    rerun,
    figures,
    report,
    compare,
    train,
    profile,
    quality,
    groups,
    models,
    schema,
)
for command in (*COMMANDS, broker, worker, hosts, doctor):
    app.command()(command)
app.add_typer(trace_app, name="trace")


def print_version(asked: bool) -> None:
    """Print the version and exit if `--version` was given."""
    if asked:
        print(f"airsplit {own_version()}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Where should each part of a neural network run when devices and servers are joined by a 5G link?"""


def say_what_is_hidden() -> None:
    """Say which packages of other projects have the names of ours, so that `import` finds ours instead."""
    for file in hidden_packages():
        print(f"{file}: not imported: airsplit has a package of that name; rename it to use it", file=sys.stderr)


def print_any_text() -> None:
    """Let the standard streams print letters that their encoding lacks as escapes: in the C locale it is ASCII."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main() -> None:
    """Run the command line; an error becomes one line on standard error, or one for each mistake, and an exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that processes that we started end with us
    print_any_text()
    with suppress(OSError):  # there may be no working directory any more
        sys.path.append(str(Path.cwd()))  # policies named `module:Class` are imported from the working directory
    os.environ["MPLBACKEND"] = "agg"  # figures are files; the backend of a notebook's kernel may not be installed here
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    os.environ["MATPLOTLIBRC"] = os.devnull  # figures have settings of their own
    try:
        say_what_is_hidden()
        app()
    except (MissingDependency, RelayFailed, UnfinishedRun, ImportError, MemoryError, OSError, ValueError) as error:
        if "--traceback" in sys.argv:
            traceback.print_exception(error)
        code, line = code_and_line(error)
        fail(code, *(error.lines if isinstance(error, Mistakes) else (line,)))


def code_and_line(error: Exception) -> tuple[int, str]:
    """Return the exit code for an error, and what to print."""
    match error:
        case MissingDependency() | RelayFailed() | UnfinishedRun():
            return 6 if isinstance(error, UnfinishedRun) else 4, str(error)
        case MemoryError():
            return 4, f"memory: {str(error) or 'none is left'}: choose smaller settings, or a machine with more"
        case ImportError():
            reason, package = " ".join(str(error).split()), (error.name or "").partition(".")[0]
            install = f"package {package}: {reason}; install it: {sys.executable} -m pip install {package}"
            return 4, install if package else reason
        case OSError():
            return 4 if error.errno in NO_SPACE else 3, f"{error.filename or 'file'}: {error.strerror or error}"
        case UnicodeEncodeError():  # a file's name
            known, remedy = sys.getfilesystemencoding(), "set PYTHONUTF8=1, or LC_ALL to a UTF-8 locale"
            lacks = f"this environment ({known}) lacks letters of the name; {remedy}"
            is_bytes = known == "utf-8"  # that are no text
            return (
                (3, f"{error.object}: name must be UTF-8: rename it") if is_bytes else (4, f"{error.object}: {lacks}")
            )
        case _:
            return 3, str(error)
