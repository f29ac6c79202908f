"""Write the statistics, tables and figures of a study, from its stored cells alone."""

from pathlib import Path

import pandas as pd

from emulator.core.files import atomic_write
from results.figures.draw import FIGURE_SUFFIXES
from results.figures.style import font_settings
from results.study.cell_table import CELLS_FILE, read_cells
from results.study.figure_list import study_figures
from results.study.latex_tables import comparisons_tex, means_tex
from results.study.selection import ShownStudy, known_metrics, shown_study
from results.study.summary import comparisons, interquartile_means, means
from results.study.window import windowed
from topologies.schema.study_figures import StudyFiguresSection


def write_results(folder: Path, wanted: StudyFiguresSection) -> list[Path]:
    """Write `tables/` and `figures/` of a study's folder from its cells.csv, and return the paths of the files. Each
    figure is a PDF, a PNG and a text, its caption. The rows are read for a window of time alone. Raises ValueError (one
    line) for a damaged file and for figures that the study has no data for."""
    font_settings(wanted.font)  # before the work, since it may be missing
    table = read_cells(folder / CELLS_FILE)
    if wanted.window_s is not None:
        table = windowed(folder, table, wanted.window_s)
    study = shown_study(table, wanted)
    for name in ("tables", "figures"):
        (folder / name).mkdir(exist_ok=True)
    figures = list(study_figures(study))
    written = write_tables(folder / "tables", study)
    for figure in figures:
        written += [figure.draw(folder / "figures" / f"{figure.name}{suffix}") for suffix in FIGURE_SUFFIXES]
        written.append(_write(folder / "figures" / f"{figure.name}.txt", f"{figure.caption}\n"))
    return written


def write_tables(folder: Path, study: ShownStudy) -> list[Path]:
    """Write means and comparisons as CSV and LaTeX, and interquartile means as CSV; return the paths."""
    table = means(study.cells, study.settings, known_metrics(study.cells))
    metric = study.wanted.metric
    compared = comparisons(study.cells, study.settings, study.policies, study.reference, metric)
    middle = interquartile_means(study.cells, study.settings, metric)
    texts = {
        "means.csv": csv(table),
        "means.tex": means_tex(study, table),
        "interquartile-means.csv": csv(middle),
    }
    if len(compared):
        texts |= {"comparisons.csv": csv(compared), "comparisons.tex": comparisons_tex(study, compared, metric)}
    return [_write(folder / name, text) for name, text in texts.items()]


def csv(table: pd.DataFrame) -> str:
    """Return a table as the text of a CSV file."""
    return table.to_csv(index=False, float_format="%.9g")


def _write(path: Path, text: str) -> Path:
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path
