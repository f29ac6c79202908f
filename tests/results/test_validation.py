"""The validation figure shows a model that follows its closed forms, with errors that mean what they say."""

from pathlib import Path

import numpy as np
import pytest

from results.validation import Comparison, comparisons
from results.validation_figure import draw_validation


@pytest.fixture(scope="module")
def panels() -> list[Comparison]:
    return list(comparisons())


def test_nearly_all_points_lie_within_two_standard_errors_of_their_line(panels: list[Comparison]) -> None:
    """Points of one curve share their seeds, so few are independent: 80 % at least where 95 % are expected, and all
    within 5 standard errors and a thousandth."""
    away, names = [], []
    for panel in panels[:-1]:
        for curve in panel.curves:
            off = np.abs(curve.points[1] - np.interp(curve.points[0], *curve.line))
            scale = np.maximum(curve.errors, 0.002 * np.abs(curve.line[1]).max())  # the line is drawn in pieces
            away.append(off / scale)
            names += [f"{panel.title}, {curve.name}"] * len(off)
    found = np.concatenate(away)
    assert (found <= 1).mean() > 0.8
    assert [(name, value) for name, value in zip(names, found, strict=True) if value > 2.5] == []
    assert len(found) > 100


def test_goodput_stays_below_shannons_bound_and_grows(panels: list[Comparison]) -> None:
    for curve in panels[-1].curves:
        sinr_db, goodput = curve.points
        assert (goodput < np.interp(sinr_db, *curve.line)).all()
        assert (np.diff(goodput) > -0.05 * goodput.max()).all() and goodput[-1] > 5


def test_the_figure_is_drawn(tmp_path: Path) -> None:
    assert draw_validation(tmp_path / "channel.png").stat().st_size > 10_000
    with pytest.raises(ValueError, match=r"channel\.txt: ending must be one of"):
        draw_validation(tmp_path / "channel.txt")
