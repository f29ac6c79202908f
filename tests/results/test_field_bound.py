"""What the field does to results: a cost below its bound, which one of two computations got wrong, fails the run."""

from math import isnan

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.task import parse
from results.bound_check import CHECK_NAME, SystemBound, shortfall
from results.finish import finish_run
from results.progress import RunProgress
from results.run.folder import open_run
from results.run.manifest import Check, write_manifest
from results.run.tables import BOUND
from tests.results.conftest import MakeRun, Row, task_row

EDGE, SPLIT = "edge1:0-16", "ue1:0-4|edge1:4-16"
CANDIDATES = {("ue1", "image"): (parse(EDGE),)}


def checked(make_run: MakeRun, rows: list[Row], bound_s: float) -> tuple[bool, list[Check]]:
    """Finish a run of these rows; return whether the manifest on disk says that it is valid, and its checks."""
    run = make_run(rows, None)
    write_manifest(run.path, run.manifest)
    keys = sorted({(row[1], row[2], row[3]) for row in rows})
    table = pa.table([*map(list, zip(*keys, strict=True)), [bound_s] * len(keys)], schema=BOUND)
    finish_run(run, lambda: SystemBound(table, CANDIDATES), {}, RunProgress(quiet=True))
    manifest = open_run(run.path).manifest
    return manifest.valid, [each for each in manifest.checks if each.name == CHECK_NAME]


def test_field_cost_below_the_bound_fails_the_run_and_names_the_policy(make_run: MakeRun) -> None:
    rows = [task_row("exact", "ue1", "image", n, delay_ms=delay) for n, delay in enumerate((145.0, 42.0, 150.0))]
    rows += [task_row("random", "ue1", "image", n, delay_ms=145.0) for n in range(3)]
    valid, checks = checked(make_run, rows, 0.145)
    assert not valid
    assert {check.subject: check.passed for check in checks} == {"exact": False, "random": True}
    assert max(check.value for check in checks) == pytest.approx((145 - 42) / 145)


def test_field_cost_at_the_bound_is_valid(make_run: MakeRun) -> None:
    rows = [task_row("exact", "ue1", "image", n, delay_ms=145.0 + n) for n in range(3)]
    rows.append(task_row("exact", "ue1", "image", 3, delay_ms=1.0, outcome="failed"))  # costs what a failure costs
    valid, checks = checked(make_run, rows, 0.145)
    assert (valid, [check.value for check in checks]) == (True, [0.0])


def test_field_bound_binds_neither_measured_times_nor_placements_that_it_does_not_regard(make_run: MakeRun) -> None:
    rows = [task_row("on workers", "ue1", "image", n, delay_ms=42.0, compute="measured") for n in range(3)]
    rows += [task_row("mixed", "ue1", "image", n, delay_ms=42.0, compute="mixed") for n in range(3)]
    rows += [task_row("own", "ue1", "image", n, delay_ms=42.0, placement=SPLIT) for n in range(3)]
    assert checked(make_run, rows, 0.145) == (True, [])


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1))
def test_field_shortfall_is_the_worst_part_of_a_bound(pairs: list[tuple[float, float]]) -> None:
    costs, bounds = np.array(pairs).T
    parts = [(bound - cost) / bound for cost, bound in pairs if bound > 0]
    assert shortfall(costs, bounds) == pytest.approx(max([0.0, *parts]))
    costs[0] = np.nan
    assert isnan(shortfall(costs, bounds))
