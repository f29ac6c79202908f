"""`airsplit rerun`, `figures`, `report` and `compare`: commands on the folders of finished runs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airsplit.cli.options import Json, Mlflow, OutFile, Quiet, RunFolder, TensorBoard, Traceback
from airsplit.cli.output import fail, print_json, print_notes, track_run

if TYPE_CHECKING:
    from results.run.folder import Run


def rerun(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST")],
    as_json: Json = False,
    quiet: Quiet = False,
    _: Traceback = False,
) -> None:
    """Repeat a run from its stored traces, checkpoints and times; exit 0 only if the digests agree."""
    from airsplit.rerun import repeat_run
    from results.progress import RunProgress

    folder = manifest.parent if manifest.name == "manifest.json" else manifest
    repetition = repeat_run(folder, RunProgress(quiet))
    print_notes(folder, repetition.notes)
    before, again = repetition.stored_sha256, repetition.records_sha256
    if repetition.packet_mismatch:
        fail(5, f"{folder}: packets.parquet: must be as simulated; {repetition.packet_mismatch}")
    if as_json:
        print_json({"run": str(folder), "records_sha256": before, "again": again, "agree": again == before})
    if again != before:
        fail(5, f"{folder}: records_sha256 {again[:12]} must be {before[:12]} as in manifest.json")
    if not as_json:
        print(f"{folder}: records_sha256 {again} again")


def figures(
    folder: Annotated[Path, typer.Argument(metavar="RUN_OR_STUDY")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="How figures look: width_in=3.5, font=Times, ..."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Of a run: draw this figure, or these.")
    ] = None,
    as_json: Json = False,
    _: Traceback = False,
) -> None:
    """Draw a run's or study's figures anew; also make the results of a run that did not come to them."""
    from airsplit.study.folder import ORIGIN_FILE
    from results.study.cell_table import CELLS_FILE

    is_study = any((folder / name).is_file() for name in (CELLS_FILE, ORIGIN_FILE))
    draw = study_results if is_study else run_figures
    paths = [str(path) for path in draw(folder, settings or [], only or [])]
    print_json(paths) if as_json else print("\n".join(paths))


def run_figures(folder: Path, settings: list[str], only: list[str]) -> list[Path]:
    """Draw figures of a run and return their paths. Raises ValueError for bad settings."""
    from results.figures.draw import draw_figures
    from topologies.loading.figure_settings import figure_settings
    from topologies.schema.study_figures import AxesSection, FigureStyleSection

    style = figure_settings(FigureStyleSection, settings)
    axes = sorted(style.model_fields_set & AxesSection.model_fields.keys())
    if axes and len(only) != 1:
        raise ValueError(f"--set {axes[0]}: must be of one figure: name it by --only")
    return draw_figures(checked_run(folder), style, only)


def study_results(folder: Path, settings: list[str], only: list[str]) -> list[Path]:
    """Write the tables and figures of a study and return their paths. Raises ValueError for bad settings, and for a
    study that did not finish: its table of cells is that of an earlier run."""
    from airsplit.study.folder import ORIGIN_FILE
    from results.study.manifest import load_study_manifest
    from results.study.write import write_results
    from topologies.loading.figure_settings import figure_settings
    from topologies.schema.study_figures import StudyFiguresSection

    if only:
        raise ValueError(f"--only {only[0]}: is for runs; of a study, name figures by --set draw=[{{kind: lines}}]")
    if (folder / ORIGIN_FILE).is_file() and (manifest := load_study_manifest(folder)).failed == manifest.cells:
        raise ValueError(f"{folder}: no cell of the study is finished: failed.csv has the reasons")
    stored = folder / "study.yaml"
    return write_results(folder, figure_settings(StudyFiguresSection, settings, stored if stored.is_file() else None))


def report(folder: RunFolder, mlflow: Mlflow = None, tensorboard: TensorBoard = None, as_json: Json = False) -> None:
    """Write a run's report anew; also make the bound, summary and figures of a run that did not come to them."""
    from airsplit.tracking.trackers import Trackers
    from results.report import write_report

    trackers = Trackers(mlflow, tensorboard)
    trackers.require()
    path = folder / "report.html"
    was_written = path.is_file()
    run = checked_run(folder)
    if was_written:
        write_report(run)
    unlogged = track_run(run, trackers)
    print_json({"report": str(path)}) if as_json else print(path)
    if unlogged:
        sys.exit(6)


def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...")],
    out: OutFile = Path("comparison.html"),
    as_json: Json = False,
    _: Traceback = False,
) -> None:
    """Put several runs side by side in one report; the first one is what the others are compared with."""
    from emulator.core.files import require_writable
    from results.report.comparison import run_names, write_comparison

    names = run_names(folders)
    require_writable(out)
    path = write_comparison({name: checked_run(folder) for name, folder in names.items()}, out)
    print_json({"comparison": str(path)}) if as_json else print(path)


def checked_run(folder: Path) -> "Run":
    """Return the run in a folder, with all its results: those that a failure or interruption kept from being made are
    made now. Raises ValueError if a file has changed."""
    from airsplit.completion import finish_stored
    from results.progress import RunProgress
    from results.run.folder import open_run, verify

    if not (folder / "report.html").is_file():
        return finish_stored(folder, RunProgress(quiet=False))
    run = open_run(folder)
    verify(run)
    return run
