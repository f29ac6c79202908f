"""Summary, figures and report of an emulation."""

from math import nan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from emulator.realtime.verification.lateness import bin_of
from results.agreement import PART_TITLES, read_agreement
from results.agreement.summary import AgreementSummary, part_table, signed, summarise_agreement, summary_sentence
from results.bound_check import SystemBound
from results.figures import emulation as emulation_figures
from results.figures.draw import draw_figures
from results.figures.emulation_data import (
    RADIO,
    RECORDED,
    WIRED,
    lateness_curves,
    link_kinds,
    read_lateness,
    read_probes,
)
from results.finish import finish_run, result_makers
from results.progress import RunProgress
from results.report import write_report
from results.run.folder import Run, open_run, verify
from results.run.manifest import Check, write_manifest
from results.run.tables import BOUND
from results.statistics import read_summary, summarise
from results.text import table_lines
from tests.emulator.realtime.logs import LATE_NS
from tests.results.conftest import rate_trace
from tests.results.emulated_run import NAMES, emulated_run, probed
from tests.results.emulated_world import EMULATED, SIMULATED
from tests.results.figures.test_policies import assert_printable, width_in
from tests.results.report.test_report import Page

FIGURES = {"agreement": 7.16, "lateness": 3.5, "probes": 7.16}
LATE = Check(name="lateness, p99 in ms", subject="all links", value=3.14159, limit=2.0)


def finish(made: Run) -> None:
    write_manifest(made.path, made.manifest)
    finish_run(made, lambda: SystemBound(BOUND.empty_table(), {}), result_makers(), RunProgress(quiet=True))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a finished run; read only."""
    made = emulated_run(tmp_path_factory.mktemp("runs"))
    finish(made)
    return open_run(made.path)


@pytest.fixture
def page(run: Run) -> Page:
    return Page((run.path / "report.html").read_text(encoding="utf-8"))


def rows(**columns: list[int]) -> pd.DataFrame:
    """Return rows of agreement.parquet with these columns; the others are 0."""
    count = len(next(iter(columns.values())))
    names = [f"{part}_ns" for part in PART_TITLES]
    nothing = dict.fromkeys([*names, "service_ns", "computing_ns", "messages", "overlapping", "unmatched"], [0] * count)
    who = {"source": ["ue1"] * count, "kind": ["image"] * count, "simulated_ns": [0] * count}
    return pd.DataFrame({**nothing, **who, **columns})


def test_files_of_an_emulation_have_digests(run: Run) -> None:
    verify(run)
    assert {"agreement.parquet", "events.parquet", "packets.parquet", "probes.csv", "lateness.csv", "programs.csv"} <= (
        run.manifest.data_sha256.keys()
    )


def test_real_rows_have_neither_bound_nor_gap_nor_energy(run: Run) -> None:
    table = {row["policy"]: row for row in read_summary(run).to_dict("records")}
    assert table[SIMULATED]["gap"] > 0
    assert np.isnan([table[EMULATED][name] for name in ("gap", "bound_mean_s", "energy_mean_j")]).all()
    assert table[EMULATED]["compute"] == "measured"
    (line,) = (line for line in table_lines(read_summary(run)) if line.startswith(EMULATED))
    assert line.split()[-1] == "-" and line.split()[-3] == "-"


@pytest.mark.parametrize(("name", "inches"), FIGURES.items())
def test_figures_are_fit_to_print_and_show_something_in_grey(run: Run, name: str, inches: float) -> None:
    pdf = (run.path / "figures" / f"{name}.pdf").read_bytes()
    assert_printable(pdf)
    assert width_in(pdf) == pytest.approx(inches, abs=0.01)
    with Image.open(run.path / "figures" / f"{name}.png") as image:
        grey = np.asarray(image.convert("L"))
    assert 0.01 < (grey < 200).mean() < 0.5


def test_drawing_again_gives_the_same_files(run: Run) -> None:
    before = {path: path.read_bytes() for path in (run.path / "figures").glob("*.pdf")}
    draw_figures(run)
    assert {path: path.read_bytes() for path in before} == before


def test_page_compares_emulation_and_simulation(run: Run, page: Page) -> None:
    tasks = read_agreement(run.path / "agreement.parquet")
    assert tasks is not None and len(tasks) == 11
    assert summary_sentence(tasks) in page.text
    assert "11 tasks were answered in both" in page.text
    assert page.text.index("Emulation and simulation") < page.text.index("What the words mean")
    for expected in ("encoding and decoding", "ue1-gnb", "SCHED_FIFO 10", "ping -c 3 edge1 && echo '<b>'"):
        assert expected in page.text
    assert all(load.startswith(("data:image/png;base64,", "#")) for load in page.loads)
    assert "INVALID" not in page.text


def test_page_of_an_invalid_emulation_starts_with_the_reason(tmp_path: Path) -> None:
    made = emulated_run(tmp_path, tasks=3, checks=(LATE,))
    finish(made)
    assert not open_run(made.path).manifest.valid
    page = Page((made.path / "report.html").read_text(encoding="utf-8"))
    banner = page.text.partition("In the median")[0]
    assert "INVALID. This run failed 1 of its own checks" in banner
    assert "lateness, p99 in ms, all links: 3.14, must be at most 2" in banner


def test_page_of_an_emulation_without_tasks_shows_its_links(tmp_path: Path) -> None:
    made = emulated_run(tmp_path, tasks=0)
    finish(made)
    assert {path.stem for path in (made.path / "figures").iterdir()} == {"probes"}
    page = Page((made.path / "report.html").read_text(encoding="utf-8"))
    assert "No task was offered." in page.text and "Links before the run" in page.text
    assert "In the median" not in page.text


def test_unknown_probe_values_are_dashes(tmp_path: Path) -> None:
    unknown = dict.fromkeys(
        ("scheduled_rate_bps", "offered_rate_bps", "measured_rate_bps", "scheduled_delay_ns", "measured_delay_ns",
         "delay_error_ns", "delay_error_p99_ns", "lateness_p99_ns")
    )  # fmt: skip
    probes = [probed(0), probed(1, **unknown), probed(2, offered_rate_bps=5e6)]
    made = emulated_run(tmp_path, tasks=3, probes=probes)
    table = read_probes(made.path / "probes.csv").set_index("name")
    assert table["filled"].to_dict() == {"ue1-gnb": True, "gnb-ue1": False, "gnb-edge1": False}
    assert table.loc["gnb-ue1", ["rate_error", "delay_error_ns"]].isna().all()
    summarise(made)
    draw_figures(made)
    text = Page(write_report(made).read_text(encoding="utf-8")).text
    assert "gnb-ue1 - - - - - - -" in text
    assert text.count("not filled") == 1


def test_agreement_summary() -> None:
    """Differences of 1, 2, 3 and -10 ms, of which a rest of 1 ms is left; 3 ms of one are a device's."""
    real = [1_000_000, 2_000_000, 3_000_000, -10_000_000]
    rest = [0, 0, 0, -1_000_000]
    tasks = rows(
        real_ns=real, rest_ns=rest, compute_ns=[0, 0, 3_000_000, 0], service_ns=[4, 4, 4, 4], computing_ns=[1, 2, 3, 4],
        messages=[5, 5, 5, 5], overlapping=[0, 1, 0, 0], unmatched=[0, 0, 1, 0],
    )  # fmt: skip
    found = summarise_agreement(tasks)
    within_ms = float(np.quantile([1, 2, 3, 10], 0.95))
    expected = AgreementSummary(4, 1.5, within_ms, 1 - 1 / 16, 0.5, 1 - 1 / 13, 10 / 16, 2 / 20)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert summary_sentence(tasks).startswith(
        "In the median of 4 tasks, emulation took 1.50 ms more than the simulation; for 95 % of them the two differ by "
        "at most 8.95 ms. 93.8 % of the differences are explained."
    )


def test_agreement_summary_without_difference_and_with_a_negative_one() -> None:
    assert summarise_agreement(rows(real_ns=[0, 0])).explained == 1.0
    assert np.isnan(summarise_agreement(rows(real_ns=[0])).computing)
    assert "emulation took 2.00 ms less than the simulation" in summary_sentence(rows(real_ns=[-2_000_000]))


def test_parts_have_an_interval_with_five_traces(run: Run) -> None:
    tasks = rows(real_ns=[0] * 10, stack_ns=[number * 1_000_000 for number in range(10)])
    tasks["source"] = [f"ue{number // 2}" for number in range(10)]
    table = part_table(tasks, {}).set_index("part")
    stacks = table.loc[PART_TITLES["stack"]]
    assert stacks["mean_ms"] == pytest.approx(4.5)
    assert 0.5 <= stacks["low_ms"] < 4.5 < stacks["high_ms"] <= 8.5
    assert (stacks["from_ms"], stacks["to_ms"]) == (pytest.approx(0.45), pytest.approx(8.55))
    few = part_table(tasks, dict.fromkeys(tasks["source"], "one trace"))
    assert few["low_ms"].isna().all()


def test_lateness_curves_match_the_log(run: Run) -> None:
    curves = lateness_curves(run, NAMES)
    assert set(curves["kind"]) == {WIRED}
    (row,) = curves.to_dict("records")
    assert row["later"] == 0.0
    assert bin_of(np.array([round(row["late_ms"] * 1e6)])) == bin_of(np.array([LATE_NS]))
    table = read_lateness(run.path / "lateness.csv")
    assert row["packets"] == table.set_index("link").loc["all links", "packets"]


def test_kinds_of_links_follow_from_their_traces(tmp_path: Path) -> None:
    made = emulated_run(tmp_path, tasks=0)
    recorded = rate_trace(1, seconds=1)
    recorded.save(made.path / "traces" / "gnb-ue1.parquet")
    type(recorded)(recorded.slot_ns, recorded.columns, "slot").save(made.path / "traces" / "ue1-gnb.parquet")
    assert link_kinds(made, NAMES) == {0: RADIO, 1: RECORDED, 2: WIRED, 3: WIRED}


def test_furthest_of_many_links_are_shown() -> None:
    count = 40
    errors = [0.001 * number for number in range(count)]
    table = pd.DataFrame({"name": range(count), "rate_error": errors, "delay_error_ns": errors[::-1]})
    table.loc[20, "rate_error"] = nan
    shown = emulation_figures.furthest(table)
    assert len(shown) == emulation_figures.MAX_LINKS_SHOWN
    assert {0, 39, 20} <= set(shown["name"])
    assert shown["name"].is_monotonic_increasing
    assert len(emulation_figures.furthest(table.head(10))) == 10


def test_names_of_kinds_are_drawn_verbatim(tmp_path: Path) -> None:
    tasks = rows(real_ns=[2_000_000, 3_000_000], simulated_ns=[1_000_000, 1_000_000])
    tasks["kind"] = ["$a$", "<b>"]
    path = emulation_figures.agreement(tasks, part_table(tasks, {}), tmp_path / "agreement.svg")
    text = path.read_text(encoding="utf-8")
    assert "$a$ tasks" in text and "&lt;b&gt; tasks" in text


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (-1e-10, "0"), (1.5, "+1.50"), (-42.24, "−42.2"), (nan, "-")])
def test_signs_are_written_out(value: float, text: str) -> None:
    assert signed(value) == text
