"""`airsplit study`: run a study file."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airsplit.cli.options import Json, NoCache, NoFigures, Overrides, Quiet, Traceback
from airsplit.cli.output import command_line, fail, print_json
from airsplit.cli.sensitivity import processors

if TYPE_CHECKING:
    from airsplit.study.run import FinishedStudy


def study(
    file: Annotated[Path, typer.Argument(metavar="STUDY")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the folders of studies.")] = Path("studies"),
    processes: Annotated[
        int | None, typer.Option("--processes", min=1, help="Default: one a processor, of one thread each.")
    ] = None,
    overrides: Overrides = None,
    no_figures: NoFigures = False,
    no_cache: NoCache = False,
    as_json: Json = False,
    quiet: Quiet = False,
    _: Traceback = False,
) -> None:
    """Run a study: every policy in every setting, with all seeds; then write tables and figures.

    The same command goes on where an interrupted one ended, and runs only what has changed or failed.
    """
    from airsplit.study.local_pool import LocalPool
    from airsplit.study.plan import plan_study
    from airsplit.study.run import InterruptedStudy, run_study
    from results.progress import RunProgress
    from topologies.loading.study import load_study

    loaded = load_study(file, overrides or ())
    plan = plan_study(loaded)
    try:
        with LocalPool(processes or processors()) as pool:
            done = run_study(loaded, plan, out, pool, RunProgress(quiet), command_line(), not no_cache)
    except InterruptedStudy as error:
        again = shlex.join(command_line())
        fail(
            error.code, f"{error.path}: interrupted; {error.done} of {error.cells} cells are kept; go on with: {again}"
        )
    print_study(done, as_json)


def print_study(done: "FinishedStudy", as_json: bool) -> None:
    """Print where a study is and its digest. Exit with code 5 if cells failed."""
    from airsplit.study.folder import FAILED_FILE

    manifest = done.manifest
    facts = {"cells": manifest.cells, "failed": manifest.failed, "study_sha256": manifest.study_sha256}
    if as_json:
        print_json({"study": str(done.path), **facts})
    else:
        print(f"{done.path}: {manifest.cells - manifest.failed} of {manifest.cells} cells")
        print(f"study_sha256: {manifest.study_sha256}")
    if manifest.failed:
        fail(5, f"{done.path / FAILED_FILE}: {manifest.failed} cells failed; the same command tries them again")
