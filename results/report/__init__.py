"""Write the report: one self-contained HTML file."""

import base64
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from math import isnan, nan
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from emulator.core.files import atomic_write
from results.agreement.summary import signed
from results.example import read_example
from results.figures.captions import CAPTIONS, EMULATION_CAPTIONS, QUALITY_CAPTIONS, SENSITIVITY_CAPTIONS, Caption
from results.figures.quality_data import by_share, read_quality
from results.placements import placement_counts, placement_in_words
from results.report.emulation import emulation_section
from results.run.folder import Run
from results.run.manifest import SENSITIVITY_FILE, Check
from results.sensitivity import HEADINGS, cells_of, conclusion, read_sensitivity, reasons
from results.statistics import best_policy, ranked, read_summary, tasks_of
from results.text import number, percent

PLACEMENTS_NAMED = 2  # per kind, in the answer; the bars below it show more
NO_PLACEMENTS = pd.DataFrame({"kind": [], "words": [], "share": []})

RUNGS = {
    "sim": "simulated in virtual time",
    "emu": "emulated with real packets in real time",
    "hil": "partitions run by worker processes, radio emulated in virtual time",
}


@dataclass(frozen=True)
class CheckGroup:
    """The checks of one name: a row of the report."""

    name: str
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def worst(self) -> Check:
        """The check with the highest value relative to its limit; NaN first."""
        return max(self.checks, key=lambda check: check.severity)


@dataclass(frozen=True)
class Figure:
    """A figure on the page; `source` is a data URI."""

    caption: Caption
    source: str


def write_report(run: Run) -> Path:
    """Write report.html from summary.csv, the figures and the manifest, and return its path. The page loads nothing and
    needs no scripts. Raises ValueError if figures are missing that the run does not leave out."""
    summary = ranked(read_summary(run))
    offered = bool(summary["tasks"].sum())
    best = best_policy(summary) if offered else ""
    placements = placement_counts(tasks_of(run, best)) if offered else NO_PLACEMENTS
    figures = embedded_figures(run.path / "figures", CAPTIONS)
    if offered and not figures and "figures" not in run.manifest.facts.left_out:
        raise ValueError(f"{run.path / 'figures'}: must hold the run's figures: draw them first")
    varied = read_sensitivity(run.path / SENSITIVITY_FILE)
    quality = read_quality(run.path / "quality.csv")
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(number=number, percent=percent, signed=signed, words=placement_in_words)
    page = environment.get_template("report.html.j2").render(
        manifest=run.manifest,
        facts=run.manifest.facts,
        rung=RUNGS[run.manifest.facts.rung],
        answer=answer(summary, best, placements) if offered else "No task was offered.",
        best=best,
        rows=summary.to_dict("records"),
        most=summary["cost_mean_s"].max(),
        placements=[(kind, rows.to_dict("records")) for kind, rows in placements.groupby("kind")],
        figures=figures,
        example=read_example(run.path),
        measured_quality=[] if quality is None else by_share(quality).to_dict("records"),
        quality_figures=embedded_figures(run.path / "figures", QUALITY_CAPTIONS),
        emulated=emulation_section(run),
        emulation_figures=embedded_figures(run.path / "figures", EMULATION_CAPTIONS),
        varied=varied is not None
        and {
            "conclusion": conclusion(varied),
            "headings": HEADINGS,
            "rows": cells_of(varied),
            "reasons": reasons(varied),
        },
        sensitivity_figures=embedded_figures(run.path / "figures", SENSITIVITY_CAPTIONS),
        nan=nan,
        checks=[CheckGroup(name, tuple(checks)) for name, checks in groupby(run.manifest.checks, lambda c: c.name)],
        command=shlex.join(run.manifest.command),
        rerun=shlex.join(["airsplit", "rerun", str(run.path / "manifest.json")]),
        folder=run.path.name,
    )
    path = run.path / "report.html"
    with atomic_write(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def answer(summary: pd.DataFrame, best: str, placements: pd.DataFrame) -> str:
    """Say the result in one sentence: the policy with the least mean cost, its gap, and its placements."""
    (row,) = summary[summary["policy"] == best].to_dict("records")
    gap = "" if isnan(row["gap"]) else f", {percent(row['gap'])} above the bound"
    choices = [_frequent_placements(str(kind), rows) for kind, rows in placements.groupby("kind")]
    return (
        f"{best} has the least mean cost, {number(row['cost_mean_s'])} s a task{gap}; it ran {' and '.join(choices)}."
    )


def _frequent_placements(kind: str, rows: pd.DataFrame) -> str:
    shown = rows.head(PLACEMENTS_NAMED)
    named = [f"{words} ({percent(share)})" for words, share in zip(shown["words"], shown["share"], strict=True)]
    others = len(rows) - len(named)
    if others:
        named.append("another way" if others == 1 else f"{others} other ways")
    listed = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} or {named[-1]}"
    return f"{kind} tasks {listed}"


def embedded_figures(folder: Path, captions: Mapping[str, Caption]) -> list[Figure]:
    """Return the figures that were drawn, in the order of their captions."""
    paths = {name: folder / f"{name}.png" for name in captions}
    return [Figure(captions[name], data_uri(path)) for name, path in paths.items() if path.is_file()]


def data_uri(path: Path) -> str:
    """Return a PNG file as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
