"""`airsplit study`: run a study file."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airsplit.cli.options import Json, Mlflow, NoCache, NoFigures, Overrides, Quiet, TensorBoard, Traceback
from airsplit.cli.output import command_line, fail, print_json, print_rows
from airsplit.cli.sensitivity import processors

if TYPE_CHECKING:
    from airsplit.study.run import FinishedStudy


def study(
    file: Annotated[Path, typer.Argument(metavar="STUDY")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the folders of studies.")] = Path("studies"),
    processes: Annotated[
        int | None, typer.Option("--processes", min=1, help="Default: one a processor, of one thread each.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster", metavar="ADDRESS|local|slurm", help="Run cells on workers of Dask (docs/cluster.md)."
        ),
    ] = None,
    overrides: Overrides = None,
    no_figures: NoFigures = False,
    no_cache: NoCache = False,
    mlflow: Mlflow = None,
    tensorboard: TensorBoard = None,
    as_json: Json = False,
    quiet: Quiet = False,
    _: Traceback = False,
) -> None:
    """Run a study: every policy in every setting, with all seeds; then write tables and figures.

    The same command goes on where an interrupted one ended, and runs only what has changed or failed.
    """
    from airsplit.study.cluster import DaskCluster
    from airsplit.study.folder import FAILED_FILE
    from airsplit.study.local_pool import LocalPool
    from airsplit.study.plan import plan_study
    from airsplit.study.run import InterruptedStudy, run_study
    from airsplit.tracking.tracked import tracked_study
    from airsplit.tracking.trackers import Trackers
    from emulator.core.errors import Mistakes, UnfinishedRun
    from results.progress import RunProgress
    from topologies.loading.study import load_study

    trackers = Trackers(mlflow, tensorboard)
    trackers.require()
    loaded, command = load_study(file, overrides or ()), command_line()
    plan = plan_study(loaded)
    if not no_figures:
        from airsplit.study.results import write_study_results, wrong_figures

        if lines := list(wrong_figures(loaded)):
            raise Mistakes(lines)
    try:
        count = processes or processors()
        with LocalPool(count) if cluster is None else DaskCluster(cluster, count) as executor:
            done = run_study(loaded, plan, out, executor, RunProgress(quiet), command, not no_cache)
    except InterruptedStudy as error:
        kept = f"{error.done} of {error.cells} cells are kept"
        fail(error.code, f"{error.path}: interrupted; {kept}; go on with: {shlex.join(command)}")
    unmade: list[str] = []
    try:
        paths = [] if no_figures or done.table is None else write_study_results(done.path, loaded, command)
    except UnfinishedRun as error:
        paths, unmade = [], [str(error)]
    if done.table is not None:
        unmade += trackers.log(lambda: tracked_study(done.path), shlex.join(command))
    print_study(done, paths, loaded.study.figures.metric, as_json)
    if done.manifest.failed:
        failed = f"{done.path / FAILED_FILE}: {done.manifest.failed} cells failed; the same command tries them again"
        fail(5, *unmade, failed)
    if unmade:
        fail(6, *unmade)


def print_study(done: "FinishedStudy", paths: list[Path], metric: str, as_json: bool) -> None:
    """Print the folder of a study, its digest, and its results: the means of a metric, and where the files are."""
    manifest = done.manifest
    facts = {"cells": manifest.cells, "failed": manifest.failed, "study_sha256": manifest.study_sha256}
    if as_json:
        print_json({"study": str(done.path), **facts, "results": [str(path) for path in paths]})
        return
    print(f"{done.path}: {manifest.cells - manifest.failed} of {manifest.cells} cells")
    print(f"study_sha256: {manifest.study_sha256}")
    if paths:
        print_means(done.path, metric)
    for folder in dict.fromkeys(path.parent for path in paths):
        print(f"{folder}: {sum(path.parent == folder for path in paths)} files")


def print_means(folder: Path, metric: str) -> None:
    """Print the mean of a metric by setting and policy, with its interval and the number of cells."""
    import pandas as pd

    from results.text import interval_text, number

    table = pd.read_csv(folder / "tables" / "means.csv", keep_default_na=False, na_values={"low": [""], "high": [""]})
    columns = list(table.columns)
    rows = [
        {name: str(row[name]) for name in columns[: columns.index("metric")]}
        | {metric: number(row["value"]), "95 % interval": interval_text(row["low"], row["high"]), "cells": row["cells"]}
        for row in table[table["metric"] == metric].to_dict("records")
    ]
    if rows:  # a window of time leaves no costs
        print_rows(rows)
