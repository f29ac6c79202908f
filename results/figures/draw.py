"""Draw all figures of a run, from its folder."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from emulator.trace import Trace
from results.agreement import read_agreement
from results.agreement.summary import part_table, trace_units
from results.figures import channel, emulation, policies, quality
from results.figures.emulation_data import lateness_curves, read_probes
from results.figures.measured_quality import measured_quality
from results.figures.policy_data import FigureData, figure_data
from results.figures.quality_data import read_quality
from results.figures.sensitivity import tornado
from results.figures.style import COLUMN_IN, looks
from results.run.folder import Run
from results.run.manifest import SENSITIVITY_FILE
from results.run.tables import CHOICES_FILE, read_choices, read_learning
from results.sensitivity import compared, read_sensitivity
from results.statistics import best_policy, ranked, read_summary, tasks_of

FIGURE_SUFFIXES = (".pdf", ".png")


def draw_figures(run: Run) -> list[Path]:
    """Draw every figure that the run has data for into its figures/, each as PDF and PNG, and return their paths.

    Needs summary.csv. Figures of policies need an offered task; of them gaps need a row with a bound, delays a
    completed task, and the rate a source with a link of its own. Learning curves need learning.csv, the sensitivity
    its table. The measured quality needs a scored answer that a quality table
    predicts. Figures of an emulation need its links, and the agreement tasks that both emulation and simulation
    answered.
    """
    summary = ranked(read_summary(run))
    draw = policy_figures(run, summary) if summary["tasks"].sum() else {}
    learning = read_learning(run.path / "learning.csv")
    if learning is not None and len(learning):
        draw["learning-curves"] = lambda path: policies.learning_curves(learning, path)
    quality = read_quality(run.path / "quality.csv")
    predicted = None if quality is None else quality[quality["predicted"].notna()]
    if predicted is not None and len(predicted):
        draw["measured-quality"] = lambda path: measured_quality(predicted, path)
    draw |= emulation_figures_of(run)
    varied = read_sensitivity(run.path / SENSITIVITY_FILE)
    if varied is not None and len(compared(varied)):
        draw["sensitivity"] = lambda path: tornado(varied, path)
        draw["sensitivity-column"] = lambda path: tornado(varied, path, COLUMN_IN)
    folder = run.path / "figures"
    folder.mkdir(exist_ok=True)
    return [paint(folder / f"{name}{suffix}") for name, paint in draw.items() for suffix in FIGURE_SUFFIXES]


def policy_figures(run: Run, summary: pd.DataFrame) -> dict[str, Callable[[Path], Path]]:
    """Return the figures of the policies by name; at least one task was offered."""
    data = in_order(figure_data(run), list(summary["policy"]))
    look = looks(list(summary["policy"]))
    deadlines = {name: kind.deadline_ms for name, kind in run.manifest.facts.kinds.items()}
    draw: dict[str, Callable[[Path], Path]] = {
        "delay-parts": lambda path: policies.delay_parts(data.parts, path),
    }
    if data.means["energy_j"].notna().any():
        draw["energy-delay"] = lambda path: policies.energy_delay(data.means, look, path)
    if len(data.quality):
        choices = read_choices(run.path / CHOICES_FILE)
        draw["quality-delay"] = lambda path: quality.quality_delay(data.quality, choices, look, path)
    if run.manifest.facts.uplinks:
        draw["rate-and-placement"] = rate_figure(run, best_policy(summary))
    if len(data.curves):
        draw["delay-cdf"] = lambda path: policies.delay_cdf(data.curves, deadlines, look, path)
    gaps = summary[summary["gap"].notna()]
    if len(gaps):
        draw["gap-to-bound"] = lambda path: policies.gap_to_bound(gaps, look, path)
    return draw


def emulation_figures_of(run: Run) -> dict[str, Callable[[Path], Path]]:
    """Return the figures of an emulation by name; none for any other run."""
    facts = run.manifest.facts.emulation
    if facts is None:
        return {}
    draw: dict[str, Callable[[Path], Path]] = {}
    tasks = read_agreement(run.path / "agreement.parquet")
    if tasks is not None and len(tasks):
        parts = part_table(tasks, trace_units(run))
        draw["agreement"] = lambda path: emulation.agreement(tasks, parts, path)
    curves = lateness_curves(run, facts.links)
    if len(curves):
        draw["lateness"] = lambda path: emulation.lateness(curves, facts.lateness_limit_ms, path)
    probes = read_probes(run.path / "probes.csv")
    if len(probes):
        draw["probes"] = lambda path: emulation.probes(probes, path)
    return draw


def in_order(data: FigureData, policies: list[str]) -> FigureData:
    """Sort the tables by this order of policies: the least cost first, darkest and on top."""
    place = {policy: number for number, policy in enumerate(policies)}

    def ordered(table: pd.DataFrame) -> pd.DataFrame:
        return table.sort_values("policy", key=lambda names: names.map(place), kind="stable", ignore_index=True)

    return FigureData(ordered(data.curves), ordered(data.parts), ordered(data.means), ordered(data.quality))


def rate_figure(run: Run, policy: str) -> Callable[[Path], Path]:
    """Return the figure of rate and placements for the source with the most different placements under `policy`."""
    tasks = tasks_of(run, policy)
    source = shown_source(tasks, list(run.manifest.facts.uplinks))
    trace = Trace.load(run.path / run.manifest.facts.uplinks[source])
    own = tasks[tasks["source"] == source]
    return lambda path: channel.rate_and_placement(trace, own, source, run.manifest.facts.duration_s, path)


def shown_source(tasks: pd.DataFrame, sources: list[str]) -> str:
    """Return the source with the most different placements; the first of equals."""
    variety = tasks.groupby("source", observed=True)["placement"].nunique()
    return max(sources, key=lambda source: variety.get(source, 0))
