"""Comparisons agree with loops that are written out; p-values are uniform if there is no difference."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from results.study.comparison import duels, flipped_means, holm, paired, sign_flip_p
from results.study.metrics import channel_numbers

STUDIES = 400


def study(channels: int, seeds: int) -> pd.DataFrame:
    """Return cells of two trained policies and one that is not, in two settings, with random costs."""
    rng = np.random.default_rng(5)
    rows = [
        {"speed": speed, "policy": policy, "channel": channel, "channel_seed": channel, "training_seed": seed}
        for speed in (1, 30)
        for policy in ("ppo", "a3c", "exact")
        for channel in range(channels)
        for seed in ([*range(seeds)] if policy != "exact" else [None])
    ]
    cells = pd.DataFrame(rows).astype({"training_seed": "Int64"})
    return cells.assign(arrival_seed=0, repetition=0, cost=rng.integers(0, 6, len(cells)) / 4)


def cost(cells: pd.DataFrame, policy: str, speed: int, channel: int, seed: int) -> float:
    rows = cells.query("policy == @policy and speed == @speed and channel == @channel")
    return float(rows.loc[rows["training_seed"] == seed, "cost"].iloc[0])


def test_pairs_are_of_the_same_channel_and_training_seed() -> None:
    cells = study(3, 2)
    trained = paired(cells, ["speed"], "ppo", "a3c", "cost")
    assert len(trained) == 12
    for row in trained.to_dict("records"):
        place = (row["speed"], row["channel"], row["training_seed"])
        assert row["difference"] == cost(cells, "ppo", *place) - cost(cells, "a3c", *place)
    for policy, reference, sign in (("ppo", "exact", 1), ("exact", "ppo", -1)):
        pairs = paired(cells, ["speed"], policy, reference, "cost")
        assert len(pairs) == 12 and pairs["training_seed"].notna().all()
        total = cells.groupby("policy")["cost"].mean()
        assert pairs["difference"].mean() == pytest.approx(sign * (total["ppo"] - total["exact"]))
    assert len(paired(cells[cells["channel"] > 0], ["speed"], "exact", "exact", "cost")) == 4


def test_the_probability_of_improvement_is_that_of_all_pairs_on_a_channel() -> None:
    cells = study(3, 4)
    wins = []
    for speed in (1, 30):
        for channel in range(3):
            for own in range(4):
                for other in range(4):
                    a, b = cost(cells, "ppo", speed, channel, own), cost(cells, "a3c", speed, channel, other)
                    wins.append(1.0 if a < b else 0.5 if a == b else 0.0)
    assert duels(cells, ["speed"], "ppo", "a3c", "cost")["win"].mean() == pytest.approx(sum(wins) / len(wins))
    here = cells[(cells["speed"] == 1) & (cells["channel"] == 0)].groupby("policy")["cost"].apply(np.array)
    u = stats.mannwhitneyu(here["a3c"], here["ppo"], alternative="greater").statistic
    one = duels(cells[(cells["speed"] == 1) & (cells["channel"] == 0)], ["speed"], "ppo", "a3c", "cost")
    assert one["win"].mean() == pytest.approx(u / 16)


def differences(values: np.ndarray) -> pd.DataFrame:
    """Return pairs from differences of shape (channels, training seeds)."""
    channels, seeds = np.indices(values.shape).reshape(2, -1)
    return pd.DataFrame({"channel": channels, "arrival_seed": 0, "training_seed": seeds, "difference": values.ravel()})


def test_few_channels_have_the_exact_p_value_and_many_one_near_it() -> None:
    values = np.random.default_rng(0).normal(0.4, 1, 10)
    known = float(stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=1024).pvalue)
    assert sign_flip_p(differences(values[:, None]), "") == pytest.approx(known)
    drawn = (np.abs(flipped_means(values, "")) >= abs(values.mean()) - 1e-12).mean()
    assert drawn == pytest.approx(known, abs=4 * (known / 10_000) ** 0.5)
    assert sign_flip_p(differences(np.ones((5, 1))), "") == 2 / 2**5
    assert np.isnan(sign_flip_p(differences(np.ones((4, 1))), ""))


def test_without_a_difference_p_values_are_uniform() -> None:
    """With 8 channels, p-values are multiples of 2 / 2^8; the Kolmogorov-Smirnov distance may be larger by that."""
    rng = np.random.default_rng(1)
    p = [sign_flip_p(differences(rng.standard_t(3, (8, 1))), "") for _ in range(STUDIES)]
    assert stats.kstest(p, "uniform").statistic < 1.36 / STUDIES**0.5 + 2 / 2**8


def test_with_seeds_and_channels_drawn_false_alarms_are_as_rare_as_said_or_rarer() -> None:
    """The level is 5 %; the standard deviation of the counted share is (0.05 * 0.95 / 400)^(1/2) = 1.1 %."""
    rng = np.random.default_rng(2)
    p = [
        sign_flip_p(differences(rng.normal(size=(8, 1)) + rng.normal(size=(1, 10)) + rng.normal(size=(8, 10))), "")
        for _ in range(STUDIES)
    ]
    assert (np.array(p) <= 0.05).mean() <= 0.05 + 2 * 0.011


def test_with_crossed_arrivals_false_alarms_are_as_rare_as_said_or_rarer() -> None:
    """Arrivals matter more than channels, so that a test over channels alone would take the former for a difference."""
    rng, p = np.random.default_rng(6), []
    for _ in range(STUDIES):
        values = 0.3 * rng.normal(size=(8, 1)) + rng.normal(size=(1, 8))
        pairs = differences(values).rename(columns={"arrival_seed": "none", "training_seed": "arrival_seed"})
        p.append(sign_flip_p(pairs, ""))
    assert (np.array(p) <= 0.05).mean() <= 0.05 + 2 * 0.011


def test_the_p_value_is_that_of_the_mean_over_pairs_if_some_are_missing() -> None:
    """Channel 0 has one pair, the others have two: all sign changes of the sums over channels are written out."""
    pairs = differences(np.random.default_rng(8).normal(0.5, 1, (6, 2))).iloc[1:]
    sums = [pairs.loc[pairs["channel"] == channel, "difference"].sum() for channel in range(6)]
    flipped = [abs(np.dot(signs, sums)) for signs in product((-1, 1), repeat=6)]
    assert sign_flip_p(pairs, "") == np.mean(np.array(flipped) >= abs(pairs["difference"].sum()) - 1e-12)


def test_holms_correction_of_a_worked_example() -> None:
    """Of four tests at 5 %, those with 0.005 and 0.01 are rejected; by hand: 4 * 0.005, 3 * 0.01, 2 * 0.03, then 0.06
    again, since 1 * 0.04 is less."""
    assert holm(np.array([0.01, 0.04, np.nan, 0.03, 0.005])) == pytest.approx(
        [0.03, 0.06, np.nan, 0.06, 0.02], nan_ok=True
    )
    assert holm(np.array([0.6, 0.7])).tolist() == [1, 1]
    assert len(holm(np.array([]))) == 0


def test_a_channel_is_a_seed_in_all_settings_and_equal_traces_are_one_channel() -> None:
    cells = pd.DataFrame({"channel_seed": [0, 1, 0, 1, 2], "unit": ["a", "b", "c", "d", "d"]})
    numbers = channel_numbers(cells).tolist()
    assert numbers[0] == numbers[2] != numbers[1] == numbers[3] == numbers[4]
    constant = pd.DataFrame({"channel_seed": [0, 1, 2, 0, 1, 2], "unit": ["a", "b", "c", "same", "same", "same"]})
    assert channel_numbers(constant).nunique() == 3
    assert channel_numbers(constant.iloc[3:]).nunique() == 1
