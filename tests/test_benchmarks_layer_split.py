"""What the measured losses say of the best split, and the benchmark's own statistics against planted losses."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from agents.layer_split.channels import CHANNELS
from agents.layer_split.losses import TABLE
from agents.layer_split.setting import MENDED
from benchmarks.layer_split.best_split import direction, level_results, losses_of, reward_scores, spearman
from benchmarks.layer_split.figure import draw_best_splits
from topologies.quality.tables import load_quality
from topologies.quality.units import load_units


def planted(best_splits: list[int], noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Losses of ten windows that are least at these splits, level by level."""
    rng = np.random.default_rng(0)
    splits = np.arange(1, 11)
    means = np.array([0.3 * np.abs(splits - best) for best in best_splits])
    return np.linspace(0.05, 0.3, len(best_splits)), means[:, :, None] + rng.normal(0, noise, (len(means), 10, 10))


def test_planted_best_splits_are_found_with_their_direction() -> None:
    results = list(level_results(*planted([1, 4, 7], 0.1)))
    assert [each.quality.split for each in results] == [1, 4, 7]
    found = direction(results, [each.quality for each in results])
    assert found.moved == 6 and found.low > 0
    assert found.correlation == pytest.approx(1) and found.correlation_low > 0.5


def test_noise_alone_shows_no_direction() -> None:
    levels, losses = planted([5, 5, 5], 0.0)
    losses = np.random.default_rng(1).normal(0, 1, losses.shape)
    found = direction(results := list(level_results(levels, losses)), [each.quality for each in results])
    assert found.low <= 0 <= found.high


def test_rewards_weigh_perplexity_against_load() -> None:
    flat = reward_scores(np.zeros(10))
    np.testing.assert_allclose(flat, (10 - np.arange(1, 11)) / 10)
    means = np.zeros(10)
    means[0] = np.log(1.1)  # a tenth more perplexity costs alpha / 10, more than ten layers
    assert reward_scores(means).argmax() == 1
    assert MENDED.start_splits == (3, 6)


def test_ranks_of_equals_are_shared() -> None:
    assert spearman(np.array([1.0, 2, 3]), np.array([4, 4, 4])) == 0
    assert spearman(np.array([1.0, 2, 3, 4]), np.array([1, 1, 2, 2])) == pytest.approx(0.8944, abs=1e-4)


def test_the_figure_is_drawn(tmp_path: Path) -> None:
    units = load_units(str(TABLE))
    found = {name: list(level_results(*losses_of(units, each.delivery))) for name, each in CHANNELS.items()}
    for suffix in ("pdf", "png"):
        assert draw_best_splits(found, load_quality(str(TABLE)), tmp_path / f"best.{suffix}").stat().st_size > 5_000
    assert b"/FontType 3" not in (tmp_path / "best.pdf").read_bytes()


@pytest.mark.parametrize("option", ["--seeds", "--live-steps"])
def test_a_command_that_trains_nothing_is_refused(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["layer_split", option, "0"])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_module("benchmarks.layer_split", run_name="__main__")
    assert capsys.readouterr().err.endswith(f"argument {option}: 0: must be at least 1\n")
