"""The end of every run: from records to summary, figures, report and, last, the manifest."""

from pathlib import Path

from results.figures.draw import draw_figures
from results.progress import Phases
from results.report import write_report
from results.run.folder import Run
from results.run.manifest import Manifest, write_manifest
from results.statistics import summarise

PHASE = "figures and report"


def conclude(folder: Path, manifest: Manifest, phases: Phases) -> None:
    """Write what is made of the records that lie in the folder, as the manifest describes them."""
    run = Run(folder, manifest)
    for done, make in enumerate((summarise, draw_figures, write_report)):
        phases(PHASE, done, 3)
        make(run)
    write_manifest(folder, manifest)
    phases(PHASE, 3, 3)
