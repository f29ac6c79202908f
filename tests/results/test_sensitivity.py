"""Tasks of variants beside those of the scenario, on made-up tables; the figure as a printed page."""

import re
from math import isnan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from results.figures.sensitivity import tornado
from results.sensitivity import (
    Variant,
    cells_of,
    compared,
    conclusion,
    order_changes,
    read_sensitivity,
    reasons,
    sensitivity_table,
    variant_rows,
    write_sensitivity,
)

WIDER = Variant("bandwidth", "of the carrier", "20 MHz", "40 MHz", ("cells.gnb.bandwidth_mhz=40",))
NARROWER = WIDER._replace(setting="10 MHz")
FASTER = Variant("UE's computer", "speed", "20 GFLOP/s", "double", ())


def offered(units: int = 6, **costs: float) -> pd.DataFrame:
    """Return two tasks of each policy in each unit, at the policy's cost or 0.1 s more."""
    rows = [
        (policy, 1, f"ue{unit}", "image", task, "edge1:0-16", cost + 0.1 * task, f"trace {unit}")
        for policy, cost in costs.items()
        for unit in range(units)
        for task in range(2)
    ]
    return pd.DataFrame(rows, columns=["policy", "seed", "source", "kind", "task", "placement", "cost_s", "unit"])


def test_what_has_no_effect_differs_by_exactly_nothing() -> None:
    present = offered(exact=0.3, greedy=0.7 / 3)
    for row in variant_rows(present, present.sample(frac=1, random_state=1), ["exact", "greedy"]):
        assert [row[name] for name in ("moved", "change", "change_low", "change_high", "order")] == [0, 0, 0, 0, ""]
        assert row["tasks"] == 12


def test_changes_are_those_of_the_same_tasks() -> None:
    present = offered(exact=0.3)
    varied = present.assign(cost_s=present["cost_s"] * 1.2)
    varied.loc[varied["source"] == "ue0", "placement"] = "ue0:0-16"
    (row,) = variant_rows(present, varied, ["exact"])
    assert row["moved"] == pytest.approx(2 / 12)
    assert [row[name] for name in ("change", "change_low", "change_high")] == pytest.approx([0.2] * 3)


def test_an_interval_needs_five_traces_and_holds_the_change() -> None:
    present, factors = offered(exact=0.3), np.linspace(1, 1.5, 12)
    varied = present.assign(cost_s=present["cost_s"] * factors)
    (row,) = variant_rows(present, varied, ["exact"])
    low, change, high = (float(str(row[name])) for name in ("change_low", "change", "change_high"))
    assert 0 < low < change < high < 0.5
    (row,) = variant_rows(offered(units=4, exact=0.3), offered(units=4, exact=0.4), ["exact"])
    assert isnan(float(str(row["change_low"])))


def test_a_change_of_order_is_found_and_a_tie_is_none() -> None:
    present = offered(exact=0.2, greedy=0.3, random=0.4)
    assert order_changes(present, offered(exact=0.35, greedy=0.3, random=0.4)) == "greedy before exact"
    assert order_changes(present, offered(exact=0.3, greedy=0.3, random=0.4)) == ""
    assert order_changes(offered(exact=0.3, greedy=0.3), offered(exact=0.4, greedy=0.3)) == ""
    assert order_changes(present, offered(exact=0.5, greedy=0.3, random=0.4)) == (
        "greedy before exact; random before exact"
    )


def test_other_tasks_are_refused() -> None:
    with pytest.raises(ValueError, match="must offer the same tasks"):
        variant_rows(offered(exact=0.3), offered(units=5, exact=0.3), ["exact"])


@settings(max_examples=20)
@given(st.lists(st.tuples(*[st.floats(0.01, 10)] * 2, st.booleans()), min_size=12, max_size=12))
def test_the_reverse_change_is_the_inverse(tasks: list[tuple[float, float, bool]]) -> None:
    before, after, moves = zip(*tasks, strict=True)
    present = offered(exact=0.0).assign(cost_s=before)
    varied = offered(exact=0.0).assign(cost_s=after)
    varied["placement"] = np.where(moves, "ue1:0-16", varied["placement"])
    (there,), (back,) = variant_rows(present, varied, ["exact"]), variant_rows(varied, present, ["exact"])
    assert (1 + float(str(there["change"]))) * (1 + float(str(back["change"]))) == pytest.approx(1)
    assert there["moved"] == back["moved"] == pytest.approx(sum(moves) / 12)


@pytest.fixture
def table() -> pd.DataFrame:
    """Two assumptions of which the second matters more, a variant that cannot be, an assumption that does not apply."""
    present = offered(exact=0.3, greedy=0.4)
    varied: list[tuple[Variant, pd.DataFrame | str]] = [
        (FASTER, offered(exact=0.29, greedy=0.4)),
        (NARROWER, offered(exact=0.5, greedy=0.45)),
        (WIDER, "bad.yaml: must be narrower"),
    ]
    return sensitivity_table(present, varied, {"TDD pattern": "needs TDD"}, ["exact", "greedy"])


def test_the_table_is_in_order_and_read_as_written(table: pd.DataFrame, tmp_path: Path) -> None:
    assert list(compared(table)["assumption"]) == ["bandwidth"] * 2 + ["UE's computer"] * 2
    write_sensitivity(tmp_path / "sensitivity.csv", table)
    found = read_sensitivity(tmp_path / "sensitivity.csv")
    assert found is not None
    pd.testing.assert_frame_equal(found, table, check_dtype=False, rtol=1e-8)
    assert read_sensitivity(tmp_path / "none.csv") is None
    (tmp_path / "bad.csv").write_text("assumption\nload\n")
    with pytest.raises(ValueError, match=r"bad\.csv: .*columns must include description"):
        read_sensitivity(tmp_path / "bad.csv")


def test_texts_say_what_matters_and_what_is_left_out(table: pd.DataFrame) -> None:
    assert cells_of(table)[0] == (
        "bandwidth", "20 MHz", "10 MHz", "exact", "0.0 %", "0.550 s (+57 %)", "+57 % to +57 %", "greedy before exact"
    )  # fmt: skip
    assert reasons(table) == [
        "bandwidth, 40 MHz: left out: bad.yaml: must be narrower",
        "TDD pattern: left out: needs TDD",
    ]
    assert conclusion(table) == (
        "The mean cost of exact depends most on bandwidth: +57 % with 10 MHz instead of 20 MHz, and 0.0 % of its tasks "
        "run elsewhere. The order of the policies changes with bandwidth."
    )
    nothing = sensitivity_table(offered(exact=0.3), [], {"load": "needs a cell"}, ["exact"])
    assert conclusion(nothing) == "No assumption was varied."
    assert cells_of(nothing) == []


@pytest.mark.parametrize("width_in", [3.5, 7.16])
def test_the_figure_fits_a_journal_in_grey(table: pd.DataFrame, tmp_path: Path, width_in: float) -> None:
    pdf = tornado(table, tmp_path / "tornado.pdf", width_in).read_bytes()
    found = re.search(rb"/MediaBox \[ *0 0 ([\d.]+) ", pdf)
    assert found and float(found[1]) / 72 == pytest.approx(width_in, abs=0.01)
    assert b"/Type3" not in pdf and b"/FontFile2" in pdf
    with Image.open(tornado(table, tmp_path / "tornado.png", width_in)) as image:
        assert 0.01 < (np.asarray(image.convert("L")) < 200).mean() < 0.6
