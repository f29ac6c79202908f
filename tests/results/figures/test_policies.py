import re
import shutil
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.trace import constant
from results.figures.channel import MAX_PLACEMENT_ROWS, placement_rows, rates_mbps, window_ns
from results.figures.draw import draw_figures, shown_source, styled_summary
from results.figures.policies import bin_steps, delay_parts, gap_to_bound
from results.figures.policy_data import DELAY_PART_TITLES, delay_curves, figure_data, part_means
from results.figures.style import PLAIN, looks
from results.figures.trace import plot_trace
from results.report import write_report
from results.run.folder import Run
from results.statistics import policy_tasks, summarise, tasks_of
from tests.results.conftest import MakeRun, rate_trace, task_row
from topologies.schema.study_figures import FigureStyleSection

NAMES = {
    "rate-and-placement",
    "delay-cdf",
    "delay-parts",
    "energy-delay",
    "gap-to-bound",
    "learning-curves",
    "quality-delay",
}
ONE_COLUMN = {"energy-delay", "learning-curves", "quality-delay"}


def width_in(pdf: bytes) -> float:
    found = re.search(rb"/MediaBox \[ *0 0 ([\d.]+) ([\d.]+) *\]", pdf)
    assert found
    return float(found[1]) / 72


def assert_printable(pdf: bytes) -> None:
    assert pdf.startswith(b"%PDF")
    assert b"/Type3" not in pdf
    assert b"/CIDFontType2" in pdf or b"/TrueType" in pdf
    assert b"/FontFile2" in pdf  # the fonts are inside


def test_every_figure_is_there_as_pdf_and_png(finished: Run) -> None:
    drawn = {path.name for path in (finished.path / "figures").iterdir()}
    assert drawn == {f"{name}{suffix}" for name in NAMES for suffix in (".pdf", ".png")}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_fonts_and_widths_fit_journals(finished: Run, name: str) -> None:
    pdf = (finished.path / "figures" / f"{name}.pdf").read_bytes()
    assert_printable(pdf)
    assert width_in(pdf) == pytest.approx(3.5 if name in ONE_COLUMN else 7.16, abs=0.01)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_figures_show_something_in_grey(finished: Run, name: str) -> None:
    with Image.open(finished.path / "figures" / f"{name}.png") as image:
        grey = np.asarray(image.convert("L"))
    assert 0.01 < (grey < 200).mean() < 0.6


def test_names_are_drawn_verbatim(tmp_path: Path) -> None:
    """Dollars in a name do not start a formula."""
    name = "ppo [short] $1$ & <b>"
    gaps = pd.DataFrame({"policy": [name], "gap": [0.3], "gap_low": [np.nan], "gap_high": [np.nan]})
    path = gap_to_bound(gaps, looks([name]), tmp_path / "gap.svg")
    assert "ppo [short] $1$ &amp; &lt;b&gt;" in path.read_text(encoding="utf-8")


def test_drawing_again_gives_the_same_files_and_leaves_no_settings(finished: Run, tmp_path: Path) -> None:
    copy = Run(tmp_path / "copy", finished.manifest)
    shutil.copytree(finished.path, copy.path)
    before = dict(mpl.rcParams)
    paths = draw_figures(copy)
    assert dict(mpl.rcParams) == before
    assert len(paths) == 2 * len(NAMES)
    for path in paths:
        if path.suffix == ".pdf":
            assert path.read_bytes() == (finished.path / "figures" / path.name).read_bytes()


def test_a_style_chooses_policies_names_width_and_window(finished: Run, tmp_path: Path) -> None:
    run = Run(shutil.copytree(finished.path, tmp_path / "run"), finished.manifest)
    style = FigureStyleSection(
        width_in=3.5, policies=("ppo [short] $1$", "exact"), labels={"exact": "Optimum"}, window_s=(10, 30)
    )
    paths = draw_figures(run, style, ["delay-parts", "gap-to-bound"])
    assert [path.name for path in paths if path.suffix == ".png"] == ["delay-parts.png", "gap-to-bound.png"]
    with Image.open(paths[1]) as picture:
        assert picture.width == pytest.approx(3.5 * 220, abs=1)
    summary = styled_summary(run, style)
    assert list(summary["policy"]) == ["ppo [short] $1$", "exact"]
    arrivals = tasks_of(run, "exact")["arrival_ns"]
    assert summary["tasks"].iloc[1] == ((arrivals >= 10e9) & (arrivals < 30e9)).sum() > 0
    data = figure_data(run, style).renamed({"exact": "Optimum"})
    assert list(data.parts["policy"]) == ["Optimum"] and set(data.curves["policy"]) == {"Optimum"}


def test_styles_that_a_run_cannot_have_are_refused(finished: Run) -> None:
    with pytest.raises(ValueError, match=r"^policies=no: must be one of exact, "):
        draw_figures(finished, FigureStyleSection(policies=("no",)))
    with pytest.raises(ValueError, match=r"^window_s=\[70, 80\]: no task arrives in it$"):
        draw_figures(finished, FigureStyleSection(window_s=(70, 80)))
    with pytest.raises(ValueError, match=r"^--only pie: must be a figure of this run: delay-parts, "):
        draw_figures(finished, PLAIN, ["pie"])


def test_figures_without_data_are_not_drawn(make_run: MakeRun) -> None:
    run = make_run([task_row("exact", "ue1", "image", 0, delay_ms=20)], None)
    summarise(run)
    stems = {path.stem for path in draw_figures(run)}
    assert NAMES - stems == {"gap-to-bound", "learning-curves", "quality-delay"}


def test_run_with_only_failed_tasks_is_drawn_and_reported(make_run: MakeRun) -> None:
    rows = [task_row(policy, "ue1", "image", 0, delay_ms=20, outcome="failed", placement="") for policy in "ab"]
    run = make_run(rows, {("ue1", "image", 0): 0.1}, facts={"uplinks": {}})
    summarise(run)
    assert {path.stem for path in draw_figures(run)} == {"delay-parts", "energy-delay", "gap-to-bound"}
    assert "image tasks none (100 %)" in write_report(run).read_text(encoding="utf-8")


def test_grey_keeps_the_order_and_neighbours_differ_without_colour() -> None:
    some = list(looks([f"policy {number}" for number in range(10)]).values())
    luminance = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (look.color for look in some)]
    assert (np.diff(luminance) > 0).all()
    assert len({(look.marker, str(look.linestyle)) for look in some}) == len(some)


def test_delay_curves_end_at_the_share_of_completed_tasks(small: Run) -> None:
    _, tasks = next(policy_tasks(small))
    curve = delay_curves(tasks)
    assert curve["share"].max() == 0.75
    assert curve["delay_ms"].agg(["min", "max"]).tolist() == pytest.approx([100, 300])
    assert curve.loc[curve["delay_ms"] < 300, "share"].max() == pytest.approx(0.5, abs=0.01)


def test_parts_add_up_to_the_mean_delay(finished: Run) -> None:
    data = figure_data(finished, PLAIN)
    sums = data.parts.set_index("policy").sum(axis=1)
    delays = data.means.set_index("policy")["delay_ms"]
    np.testing.assert_allclose(sums, delays[sums.index], rtol=1e-12)
    assert (data.means["delay_ms_low"] <= data.means["delay_ms"]).all()
    assert (data.means["energy_j"] <= data.means["energy_j_high"]).all()


def test_measured_parts_add_up_without_the_wait_in_link_queues() -> None:
    rows = pd.DataFrame(
        {"completed": [True, True], "service_ns": [2e6, 4e6], "waiting_ns": [1e6, 1e6], "load_ns": [0, 0]}
    )
    parts = part_means(rows.assign(link_waiting_ns=np.nan, transfer_ns=[5e6, 7e6]))
    assert sum(parts.values()) == pytest.approx(10)
    assert parts[DELAY_PART_TITLES["air_ns"]] == pytest.approx(6)


def test_every_task_keeps_a_row_and_rare_placements_share_the_last() -> None:
    placements = ["ue1:0-16"] * 9 + ["edge1:0-16"] * 9 + [f"ue1:0-{c}|edge1:{c}-16" for c in range(1, 13)]
    tasks = pd.DataFrame({"kind": "image", "placement": placements, "arrival_ns": 0, "outcome": "done"})
    rows = placement_rows(tasks, "ue1")
    names = list(dict.fromkeys(rows["row"]))
    assert len(rows) == len(tasks)
    assert len(names) == MAX_PLACEMENT_ROWS
    assert names[0] == "all on device"
    assert names[-2:] == ["all on edge1", "7 rarer ones"]
    assert (rows["row"] == "7 rarer ones").sum() == 7


def test_windows_hold_every_bit_of_the_trace() -> None:
    trace = rate_trace(3)
    window = window_ns(trace, trace.period_ns)
    assert window == 200 * NS_PER_MS
    starts, rates = rates_mbps(trace, trace.period_ns, window)
    assert len(starts) == trace.period_ns / window
    assert rates.sum() * 1e6 * window / NS_PER_S == pytest.approx(trace.capacity_bits.sum())


def test_no_window_is_shorter_than_a_slot() -> None:
    assert window_ns(constant(8e6, slot_ns=NS_PER_S), 2 * NS_PER_S) == NS_PER_S


def test_training_steps_fall_into_their_bins() -> None:
    episodes = pd.DataFrame({"agent": "ppo", "seed": 0, "step": range(1, 101), "episode_return": range(1, 101)})
    binned = bin_steps(episodes)
    assert binned["step"].tolist() == list(range(1, 101, 2))
    assert binned["episode_return"].tolist() == [1.5 + 2 * number for number in range(50)]


def test_points_in_which_no_episode_ended_interrupt_no_curve() -> None:
    returns = [1.0, float("nan"), 3.0]
    points = pd.DataFrame({"agent": "ppo", "seed": 0, "step": [1, 50, 100], "episode_return": returns})
    assert bin_steps(points)["episode_return"].tolist() == [1.0, 3.0]


def test_the_source_shown_is_the_one_with_most_placements() -> None:
    tasks = pd.DataFrame({"source": ["a", "a", "b", "b", "c"], "placement": ["x", "x", "x", "y", "z"]})
    assert shown_source(tasks, ["a", "b", "c"]) == "b"
    assert shown_source(tasks[tasks["source"] != "b"], ["a", "b", "c"]) == "a"


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("trace.txt", "ending must be one of .pdf, .png, .svg"),
        ("trace", "ending must be one of .pdf, .png, .svg"),
        ("nowhere/trace.pdf", "folder must exist"),
    ],
)
def test_figure_needs_a_suffix_and_a_folder(name: str, rule: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as caught:
        plot_trace(constant(50e6), tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: {rule}"


def test_large_numbers_on_bars_and_gaps_have_no_exponent(tmp_path: Path) -> None:
    parts = pd.DataFrame({"policy": "a", **{name: [350.0] for name in DELAY_PART_TITLES.values()}})
    assert ">1750</text>" in delay_parts(parts, tmp_path / "parts.svg").read_text(encoding="utf-8")
    gaps = pd.DataFrame({"policy": ["a"], "gap": [18.04], "gap_low": [np.nan], "gap_high": [np.nan]})
    assert ">1804 %</text>" in gap_to_bound(gaps, looks(["a"]), tmp_path / "gap.svg").read_text(encoding="utf-8")


def test_policy_without_completed_task_has_no_bar(tmp_path: Path) -> None:
    parts = pd.DataFrame({"policy": ["a", "b"], **{name: [350.0, np.nan] for name in DELAY_PART_TITLES.values()}})
    text = delay_parts(parts, tmp_path / "parts.svg").read_text(encoding="utf-8")
    assert text.count(">no task completed</text>") == 1 and ">1750</text>" in text
