"""The comparison of block placement on planted costs, and its figures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agents.block_placement.environment import problem_of
from agents.block_placement.learned import LEARNERS
from benchmarks.block_placement.__main__ import KEY, current, main
from benchmarks.block_placement.compare import DELAYS, difference, relative, tables, verdict
from benchmarks.block_placement.figures import default, learned, sweeps
from benchmarks.block_placement.plan import (
    BOUND,
    FULL,
    IDEAS,
    LENGTHS,
    NETWORK,
    NETWORKS,
    QUICK,
    SWEEPS,
    Case,
    cases,
    digest,
    settings_of,
    slots_of,
)

COSTS = {
    "viterbi": 1.0,
    BOUND: 1.0,
    "myopic": 1.0,
    "mt-a3c": 1.01,
    "a3c": 1.0,
    "dqn": 1.1,
    "both": 1.2,
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
        delays = dict.fromkeys(DELAYS, delay_s)
        rows.append({**case._asdict(), "policy": policy, "seed": seed, "cost_s": cost_s, **delays, "training_s": 1.0})
    return pd.DataFrame(rows)


def test_planted_orders_are_found() -> None:
    text = tables(planted(10))
    assert "mt-a3c >= a3c: reversed" in text
    assert "a3c >= dqn: holds" in text
    assert "greedy >= random: holds" in text
    assert "both +" in next(line for line in text.splitlines() if "300000: viterbi" in line)
    assert "not tested" in tables(planted(4))


def test_each_point_of_a_sweep_has_its_gaps() -> None:
    rows = planted(5)
    planted_gap = (rows["policy"] == "dqn") & (rows["sweep"] == "servers") & (rows["value"] == 7)
    rows.loc[planted_gap & (rows["form"] == "printed"), "cost_s"] *= 2
    found = tables(rows).split("printed form, servers")[1].split("printed form, blocks")[0].splitlines()
    gaps = {int(line.split(":")[0]): line for line in found if line.split(":")[0].strip().isdigit()}
    assert list(gaps) == list(SWEEPS["servers"])
    assert all(("dqn +120." in line or "dqn +119." in line) == (servers == 7) for servers, line in gaps.items())


def test_a_difference_is_paired_and_has_an_interval_from_five_seeds_on() -> None:
    reference = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    pairs = [
        {"seed": seed, "value": value, "policy": policy, "cost_s": factor * (cost_s + value)}
        for seed, cost_s in enumerate(reference)
        for value in (0, 10)
        for policy, factor in {"worse": 1.1 + value / 100, "better": 1.0}.items()
    ]
    assert difference(relative(pd.DataFrame(pairs), "worse", "better")) == pytest.approx((0.15, 0.15, 0.15))
    unfinished = [*pairs, *({**pair, "seed": 5, "cost_s": 9.0} for pair in pairs[:2])]  # at one of two points
    assert len(relative(pd.DataFrame(unfinished), "worse", "better")) == 5
    assert np.isnan(difference(reference[:4]).low)
    noise = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])
    assert verdict(difference(noise)) == "undecided"
    assert verdict(difference(noise - 1)) == "reversed"


def test_each_case_is_measured_once() -> None:
    every = list(cases(FULL))
    assert len(every) == len(set(every))
    assert {seed for case, policy, seed in every if case == Case("printed", "", 0) and policy == "mt-a3c"} == set(
        range(10)
    )
    assert {(case.sweep, case.value) for case, *_ in every if case.form == "mended"} == {
        ("", 0), *((sweep, value) for sweep in FULL.sweeps["mended"] for value in SWEEPS[sweep])
    }  # fmt: skip


def test_every_case_is_a_problem_with_its_length_of_training() -> None:
    for case in {case for case, *_ in cases(FULL)}:
        problem = problem_of(case.form, **settings_of(case))
        assert slots_of(case, "mt-a3c") == {"": 100_000, LENGTHS: case.value}.get(case.sweep, 50_000)
        if case.sweep == LENGTHS:
            assert problem.settings.blocks == 21
        elif case.sweep == NETWORK:
            assert problem.settings.networks == (NETWORKS[case.value],)
        elif case.sweep:
            assert getattr(problem.settings, case.sweep) == case.value
    assert LENGTHS not in {case.sweep for case, *_ in cases(QUICK)}


def test_rows_of_other_settings_are_measured_again(tmp_path: Path) -> None:
    rows = planted(2)
    rows["settings"] = [digest(Case(*key), policy) for *key, policy in rows[KEY[:4]].itertuples(index=False, name=None)]
    stale = (rows["policy"] == "mt-a3c") & (rows["sweep"] == "")
    rows.loc[stale, "settings"] = "00000000"
    rows.to_csv(tmp_path / "rows.csv", index=False)
    kept = current(tmp_path / "rows.csv")
    assert kept[KEY].values.tolist() == rows[~stale][KEY].values.tolist()
    assert current(tmp_path / "none.csv").empty
    assert len({digest(Case("printed", "", 0), policy) for policy in LEARNERS}) == 3  # of PPO, of DQN, of the others
    assert len({digest(Case("printed", LENGTHS, 300_000), policy) for policy in ("mt-a3c", *IDEAS)}) == 4


def test_figures_are_drawn(tmp_path: Path) -> None:
    for draw in (default, sweeps, learned):
        draw(planted(5), tmp_path)
    for name in ("gaps", "delay", "reward", "learned"):
        file = (tmp_path / f"block-placement-{name}.pdf").read_bytes()
        assert file.startswith(b"%PDF")
        assert b"/FontFile2" in file and b"/Type3" not in file  # TrueType


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (None, "rows.csv: must hold rows to draw: call without --draw first"),
        ("", "rows.csv: must be a table of rows (No columns to parse from file)"),
        ("a,b\n1,2\n", "rows.csv: must have the columns form, policy, seed, settings, sweep, value"),
    ],
)
def test_rows_that_cannot_be_drawn_are_refused(
    contents: str | None,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if contents is not None:
        (tmp_path / "rows.csv").write_text(contents)
    monkeypatch.setattr("sys.argv", ["block_placement", str(tmp_path), "--draw"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert capsys.readouterr().err.splitlines()[-1].endswith(message)
