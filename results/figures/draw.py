"""Draw all figures of a run, from its folder."""

from collections.abc import Callable, Collection
from pathlib import Path

import pandas as pd

from emulator.trace import Trace
from results.agreement import read_agreement
from results.agreement.summary import part_table, trace_units
from results.figures import channel, emulation, policies, quality
from results.figures.emulation_data import lateness_curves, read_probes
from results.figures.measured_quality import measured_quality
from results.figures.policy_data import figure_data, within
from results.figures.quality_data import read_quality
from results.figures.sensitivity import tornado
from results.figures.style import COLUMN_IN, PLAIN, looks, shown_policies
from results.run.folder import Run
from results.run.manifest import SENSITIVITY_FILE
from results.run.tables import CHOICES_FILE, read_choices, read_learning
from results.sensitivity import compared, read_sensitivity
from results.statistics import best_policy, policy_tasks, ranked, read_summary, summary_row, tasks_of
from topologies.schema.study_figures import FigureStyleSection

FIGURE_SUFFIXES = (".pdf", ".png")


def draw_figures(run: Run, style: FigureStyleSection = PLAIN, only: Collection[str] = ()) -> list[Path]:
    """Draw every figure that the run has data for into its figures/, or those that `only` names, each as PDF and PNG,
    and return their paths. Raises ValueError (one line) for names of figures and policies that the run does not have.

    Needs summary.csv. Figures of policies need an offered task; of them gaps need a row with a bound, delays a
    completed task, and the rate a source with a link of its own. Learning curves need learning.csv, the sensitivity
    its table. The measured quality needs a scored answer that a quality table
    predicts. Figures of an emulation need its links, and the agreement tasks that both emulation and simulation
    answered. `style` shapes the figures of policies alone.
    """
    summary = styled_summary(run, style)
    draw = policy_figures(run, summary, style) if summary["tasks"].sum() else {}
    learning = read_learning(run.path / "learning.csv")
    if learning is not None and len(learning):
        draw["learning-curves"] = lambda path: policies.learning_curves(learning, path, style)
    quality = read_quality(run.path / "quality.csv")
    predicted = None if quality is None else quality[quality["predicted"].notna()]
    if predicted is not None and len(predicted):
        draw["measured-quality"] = lambda path: measured_quality(predicted, path)
    draw |= emulation_figures_of(run)
    varied = read_sensitivity(run.path / SENSITIVITY_FILE)
    if varied is not None and len(compared(varied)):
        draw["sensitivity"] = lambda path: tornado(varied, path)
        draw["sensitivity-column"] = lambda path: tornado(varied, path, COLUMN_IN)
    for name in only:
        if name not in draw:
            raise ValueError(f"--only {name}: must be a figure of this run: {', '.join(draw)}")
    folder = run.path / "figures"
    folder.mkdir(exist_ok=True)
    names = [name for name in draw if name in only or not only]
    return [draw[name](folder / f"{name}{suffix}") for name in names for suffix in FIGURE_SUFFIXES]


def styled_summary(run: Run, style: FigureStyleSection) -> pd.DataFrame:
    """Return the summary of the tasks in the style's window, with the policies that it shows in their order. Raises
    ValueError for a policy that the run does not have, and for a window in which no task arrives."""
    summary = read_summary(run)
    if style.window_s is not None:
        rows = [summary_row(policy, within(tasks, style.window_s)) for policy, tasks in policy_tasks(run)]
        summary = pd.DataFrame(rows)
        if not summary["tasks"].sum():
            raise ValueError(f"window_s=[{style.window_s[0]:g}, {style.window_s[1]:g}]: no task arrives in it")
    shown = shown_policies(list(ranked(summary)["policy"]), style)
    return summary.set_index("policy").loc[shown].reset_index()


def policy_figures(run: Run, summary: pd.DataFrame, style: FigureStyleSection) -> dict[str, Callable[[Path], Path]]:
    """Return the figures of the summary's policies by name; at least one task was offered."""
    written = {policy: style.labels.get(policy, policy) for policy in summary["policy"]}
    data = figure_data(run, style).renamed(written)
    look = looks(list(written.values()))
    deadlines = {name: kind.deadline_ms for name, kind in run.manifest.facts.kinds.items()}
    draw: dict[str, Callable[[Path], Path]] = {
        "delay-parts": lambda path: policies.delay_parts(data.parts, path, style),
    }
    if data.means["energy_j"].notna().any():
        draw["energy-delay"] = lambda path: policies.energy_delay(data.means, look, path, style)
    if len(data.quality):
        choices = read_choices(run.path / CHOICES_FILE)
        draw["quality-delay"] = lambda path: quality.quality_delay(data.quality, choices, look, path, style)
    if run.manifest.facts.uplinks:
        draw["rate-and-placement"] = rate_figure(run, best_policy(summary), style)
    if len(data.curves):
        draw["delay-cdf"] = lambda path: policies.delay_cdf(data.curves, deadlines, look, path, style)
    gaps = summary[summary["gap"].notna()].replace({"policy": written})
    if len(gaps):
        draw["gap-to-bound"] = lambda path: policies.gap_to_bound(gaps, look, path, style)
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


def rate_figure(run: Run, policy: str, style: FigureStyleSection) -> Callable[[Path], Path]:
    """Return the figure of rate and placements for the source with the most different placements under `policy`."""
    tasks = tasks_of(run, policy)
    source = shown_source(tasks, list(run.manifest.facts.uplinks))
    trace = Trace.load(run.path / run.manifest.facts.uplinks[source])
    own = tasks[tasks["source"] == source]
    return lambda path: channel.rate_and_placement(trace, own, source, run.manifest.facts.duration_s, path, style)


def shown_source(tasks: pd.DataFrame, sources: list[str]) -> str:
    """Return the source with the most different placements; the first of equals."""
    variety = tasks.groupby("source", observed=True)["placement"].nunique()
    return max(sources, key=lambda source: variety.get(source, 0))
