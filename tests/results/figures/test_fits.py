from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emulator.core.units import NS_PER_S
from emulator.trace import Trace
from emulator.trace.fitted import learn
from results.figures.fits import side_by_side
from tests.results.figures.test_policies import assert_printable, width_in


def walk() -> Trace:
    rates = 1e6 * (30 + 25 * np.sin(np.arange(120) / 9) + 5 * np.cos(np.arange(120) ** 2))
    return Trace(NS_PER_S, {"capacity_bits": np.maximum(rates, 0).astype(np.int64)})


def test_a_fit_is_drawn_for_print(tmp_path: Path) -> None:
    trace = walk()
    for name in ("a.pdf", "b.pdf", "c.png"):
        side_by_side(learn(trace), 1, "ue1", tmp_path / name)
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert_printable(pdf)
    assert width_in(pdf) == pytest.approx(7.16, abs=0.01)
    assert pdf == (tmp_path / "b.pdf").read_bytes()
    with Image.open(tmp_path / "c.png") as image:
        grey = np.asarray(image.convert("L"))
    assert 0.01 < (grey < 200).mean() < 0.6


def test_suffixes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ending must be one of \.pdf"):
        side_by_side(learn(walk()), 1, "ue1", tmp_path / "a.gif")
