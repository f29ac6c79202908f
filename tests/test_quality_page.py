"""The quick form of the page on quality: measured, drawn, and what the shipped tables must say."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality_page.figures import FILES, draw_figures
from benchmarks.quality_page.plan import BEST, COMPARED, FULL, PACKETS, PLAIN, shortened
from emulator.core.errors import MissingDependency
from emulator.quality import DELIVERED, QualityTable
from topologies.quality.run import measure_model
from topologies.quality.tables import load_quality

DOCS = Path(__file__).parent.parent / "docs"


def quietly(*_: object) -> None:
    """Show no progress."""


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> dict[str, QualityTable]:
    folder = tmp_path_factory.mktemp("quality")
    tables = {}
    for name, plan in FULL.items():
        short = shortened(plan)
        try:
            tables[name] = measure_model(name, short.cases, short.size, None, folder / f"{name}.json", quietly)
        except MissingDependency as missing:
            pytest.skip(str(missing))
    return tables


def test_quick_form_is_measured_and_drawn(quick: dict[str, QualityTable], tmp_path: Path) -> None:
    for name, table in quick.items():
        assert len(table.rows) == len(shortened(FULL[name]).cases)
        for row in table.rows:
            assert row.low <= row.loss <= row.high
            assert row.codec != "fp32" or row.loss == 0
    assert len(draw_figures(quick, tmp_path / "figures")) == 2 * len(FILES)
    for name in FILES:
        assert b"/FontType 3" not in (tmp_path / f"figures/{name}.pdf").read_bytes()


def test_quick_form_says_what_the_shipped_table_says(quick: dict[str, QualityTable]) -> None:
    """Within what five windows of 32 tokens can tell: losses of one row have intervals that overlap."""
    apart = []
    for name, table in quick.items():
        shipped = {(row.cut, row.codec, row.delivery, row.level): row for row in load_quality(name).rows}
        for row in table.rows:
            other = shipped[row.cut, row.codec, row.delivery, row.level]
            apart.append(row.low > other.high + 0.05 or row.high < other.low - 0.05)
    assert np.mean(apart) < 0.2


def test_codecs_cost_what_the_page_says() -> None:
    """int8 and int4 at most 1 % of perplexity in the mean of the cuts, and at none of them surely more. With outliers
    apart int8 at most 0.2 % at any, int4 at most 2 %."""
    table = load_quality("smollm2-135m")
    for name, apart in (("int8", 0.002), ("int4", 0.02)):
        assert np.expm1(np.mean([table.loss(cut, name) for cut in table.cuts])) <= 0.01
        assert all(np.expm1(table.interval(cut, name)[0]) <= 0.01 for cut in table.cuts)
        assert all(np.expm1(table.loss(cut, f"{name}+outliers")) <= apart for cut in table.cuts)


def test_the_best_recipe_costs_a_third_of_zero_filling() -> None:
    table = load_quality("smollm2-135m")
    plain, best = (
        np.mean([table.loss(cut, DELIVERED, f"{PACKETS}/{recipe}", COMPARED) for cut in table.cuts])
        for recipe in (PLAIN, BEST)
    )
    assert best <= plain / 3


def test_the_page_shows_every_figure() -> None:
    page = (DOCS / "quality.md").read_text(encoding="utf-8")
    shown = re.findall(r"quality/(quality-\w+)\.(png|pdf)", page)
    assert set(shown) == {(name, kind) for name in FILES for kind in ("png", "pdf")}
    for name, kind in shown:
        assert (DOCS / f"quality/{name}.{kind}").is_file()
