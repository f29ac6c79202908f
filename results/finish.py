"""Finish a run: write summary, figures and report from its records and, last, the manifest."""

from pathlib import Path

from results.figures.draw import draw_figures
from results.progress import RunProgress
from results.report import write_report
from results.run.folder import Run
from results.run.manifest import Manifest, write_manifest
from results.statistics import summarise

PROGRESS_NAME = "figures and report"


def finish_run(folder: Path, manifest: Manifest, progress: RunProgress) -> None:
    """Write all results of the records in the folder, which the manifest describes."""
    run = Run(folder, manifest)
    for done, make in enumerate((summarise, draw_figures, write_report)):
        progress(PROGRESS_NAME, done, 3)
        make(run)
    write_manifest(folder, manifest)
    progress(PROGRESS_NAME, 3, 3)
