"""The channel's figures are drawn from few samples; intervals hold closed forms as often as they say; the page shows
what the command makes."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.channel_figures.make import FIGURES, Panels, make
from benchmarks.channel_figures.points import Panel, Points, SampleSizes, held, of_counts, of_means, of_ratios, verdict
from emulator.channel.radio import Adaptation

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "emulator-channel.md"
FEW = SampleSizes(seeds=1, sites=60, fields=200, walks=30, slots=1_000)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Panels]]:
    folder = tmp_path_factory.mktemp("figures") / "channel"
    return folder, {name: make(name, folder, FEW) for name in FIGURES}


def test_each_figure_is_a_pdf_and_a_png(drawn: tuple[Path, dict[str, Panels]]) -> None:
    folder, _ = drawn
    assert {path.name for path in folder.iterdir()} == {f"{name}.{kind}" for name in FIGURES for kind in ("pdf", "png")}
    for name in FIGURES:
        assert b"/FontType 3" not in (folder / f"{name}.pdf").read_bytes()
        assert (folder / f"{name}.png").stat().st_size > 50_000


def test_nearly_all_intervals_hold_the_closed_form(drawn: tuple[Path, dict[str, Panels]]) -> None:
    """95 % are expected. Points of one curve share their samples: of some 500, 100 at least count as independent,
    of which 88 or fewer hold once in 300 such tests."""
    counts = [held(panel) for panels in drawn[1].values() for panel in panels.values() if panel.exact]
    within, of = (sum(each) for each in zip(*counts, strict=True))
    assert of > 400
    assert within > 0.88 * of
    assert stats.binom.cdf(88, 100, 0.95) < 1 / 200


def test_no_point_is_far_from_its_closed_form(drawn: tuple[Path, dict[str, Panels]]) -> None:
    """None by more than three times the reach of its interval, six standard errors."""
    for panels in drawn[1].values():
        for title, panel in panels.items():
            for name, points in panel.points.items() if panel.exact else ():
                middle, reach = (points.low + points.high) / 2, (points.high - points.low) / 2
                assert (np.abs(points.truth - middle) <= 3 * reach).all(), (title, name)


def test_goodput_is_that_of_its_closed_form(drawn: tuple[Path, dict[str, Panels]]) -> None:
    """And below Shannon's bound and the standard's peak. The closed form takes a block that failed to pass at its
    second transmission, and every block to have as many bits as its scheme's mean."""
    panel = drawn[1]["link"]["spectral efficiency"]
    shannon, peak = panel.curves["Shannon"], panel.curves["peak of 256-QAM"]
    for points in panel.points.values():
        assert points.found == pytest.approx(points.truth, rel=0.03)
        assert (points.found < np.interp(points.x, *shannon)).all()
        assert (points.found < peak.y[0]).all()


def test_the_outer_loop_tends_to_its_target(drawn: tuple[Path, dict[str, Panels]]) -> None:
    """What it has moved in all, less than 10 dB here, bounds how far the share of failures is from the target."""
    for target, points in drawn[1]["link"]["outer loop"].points.items():
        step_db = Adaptation().olla_up_db / (1 - float(target))  # a failure's and a success's together
        assert np.all(np.abs(points.found - float(target)) < 10 / step_db / points.x)


def test_intervals_of_each_kind_hold_as_often_as_they_say() -> None:
    """1000 repetitions: 95 % of them, with the binomial law's tolerance; Clopper and Pearson's never less."""
    rng = np.random.default_rng(1)
    truth = np.full(1000, 0.3)
    least, most = (int(stats.binom.ppf(tail, 1000, 0.95)) for tail in (1e-4, 1 - 1e-4))
    means = of_means(truth, rng.normal(0.3, 1, (20, 1000)), truth)
    above = rng.exponential(0.3, (200, 1000))
    ratios = of_ratios(truth, above, above / 0.6 + rng.normal(0.5, 0.1, (200, 1000)), truth)
    counts = of_counts(truth, rng.binomial(50, 0.3, 1000).astype(float), np.full(1000, 50.0), truth)
    assert least <= held(Panel({}, {"": means}))[0] <= most
    assert least - 20 <= held(Panel({}, {"": ratios}))[0] <= most
    assert least <= held(Panel({}, {"": counts}))[0]


def test_the_verdict_counts_and_measures() -> None:
    some = Points(*(np.array(values) for values in ([0.0, 1.0], [1.0, 2.0], [0.9, 1.9], [1.1, 2.1], [1.05, 1.6])))
    assert verdict(Panel({}, {"a": some})) == "1 of 2 intervals of 95 % hold the closed form"
    assert verdict(Panel({}, {"a": some}, exact=False)) == "closed form, an approximation, met within 25.00%"


def test_the_page_names_files_that_are_there() -> None:
    """Every link and picture, and every module in the code's own words; and all of the figures."""
    text = PAGE.read_text()
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [link for link in links if not (DOCS / link).is_file()] == []
    assert {f"channel/{name}.png" for name in FIGURES} <= set(links)
    for path in re.findall(r"`((?:emulator|tests|benchmarks)/[\w/.]+)`", text):
        assert (DOCS.parent / path).exists(), path
    for name in FIGURES:
        assert (DOCS / "channel" / f"{name}.pdf").is_file()
    assert "make channel-figures" in text
    assert len(text.splitlines()) <= 260
