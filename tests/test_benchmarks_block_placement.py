"""The comparison of block placement on planted costs, and its figures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.block_placement.compare import difference, tables, verdict
from benchmarks.block_placement.figures import gaps, sweeps
from benchmarks.block_placement.plan import BOUND, FULL, SWEEPS, Case, cases

COSTS = {
    "viterbi": 1.0,
    BOUND: 1.0,
    "myopic": 1.0,
    "mt-a3c": 1.01,
    "a3c": 1.0,
    "dqn": 1.1,
    "greedy": 1.5,
    "random": 2.0,
}


def planted(seeds: int) -> pd.DataFrame:
    """Rows of every case: costs as in COSTS, times a factor of the seed, with noise of a thousandth."""
    rng = np.random.default_rng(0)
    rows = []
    for case, policy, seed in dict.fromkeys(cases(FULL)):
        if policy not in COSTS or seed >= seeds:
            continue
        cost_s = COSTS[policy] * (1 + 0.1 * seed) * (1 + 0.001 * rng.random())
        delay_s = float("nan") if policy == BOUND else cost_s
        rows.append(
            {**case._asdict(), "policy": policy, "seed": seed, "cost_s": cost_s, "delay_s": delay_s, "training_s": 1.0}
        )
    return pd.DataFrame(rows)


def test_planted_orders_are_found() -> None:
    text = tables(planted(10))
    assert "mt-a3c >= a3c: reversed" in text
    assert "a3c >= dqn: holds" in text
    assert "greedy >= random: holds" in text
    assert "mended form, tasks_per_slot: mt-a3c costs +1.0" in text
    assert "not tested" in tables(planted(4))


def test_a_difference_is_paired_and_has_an_interval_from_five_seeds_on() -> None:
    reference = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    found = difference(1.1 * reference, reference)
    assert found == pytest.approx((0.1, 0.1, 0.1))
    assert np.isnan(difference(1.1 * reference[:4], reference[:4]).low)
    noise = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])
    assert verdict(difference(reference * (1 + noise), reference)) == "undecided"


def test_each_case_is_measured_once() -> None:
    every = list(cases(FULL))
    assert len(every) == len(set(every))
    assert {seed for case, policy, seed in every if case == Case("printed", "", 0) and policy == "mt-a3c"} == set(
        range(10)
    )
    assert {(case.sweep, case.value) for case, *_ in every if case.form == "mended"} == {
        ("", 0), *((sweep, value) for sweep, values in SWEEPS.items() for value in values)
    }  # fmt: skip


def test_figures_are_drawn(tmp_path: Path) -> None:
    gaps(planted(5), tmp_path)
    sweeps(planted(5), tmp_path)
    for name in ("gaps", "delay", "reward"):
        file = (tmp_path / f"block-placement-{name}.pdf").read_bytes()
        assert file.startswith(b"%PDF")
        assert b"/FontFile2" in file and b"/Type3" not in file  # TrueType
