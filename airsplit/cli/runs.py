"""`airsplit rerun`, `figures` and `report`: commands on the folders of finished runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airsplit.cli.options import Json, Quiet, RunFolder, Traceback
from airsplit.cli.output import fail, print_json, print_notes

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


def figures(folder: RunFolder, as_json: Json = False) -> None:
    """Draw a run's figures anew; also make the results of a run that did not come to them."""
    from results.figures.draw import draw_figures

    run = checked_run(folder)
    paths = [str(path) for path in draw_figures(run)]
    print_json(paths) if as_json else print("\n".join(paths))


def report(folder: RunFolder, as_json: Json = False) -> None:
    """Write a run's report anew; also make the bound, summary and figures of a run that did not come to them."""
    from results.report import write_report

    path = folder / "report.html"
    was_written = path.is_file()
    run = checked_run(folder)
    if was_written:
        write_report(run)
    print_json({"report": str(path)}) if as_json else print(path)


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
