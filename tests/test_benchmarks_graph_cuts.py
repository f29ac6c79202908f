"""The benchmark of graph cuts: what it compares, at a few rates."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.graph_cuts import delays_of, division_of, draw, row_of

RATES_BPS = np.array([1e5, 2.8e6, 3.2e6, 6e6, 1e9])


def test_reductions_of_an_inception_module_are_divided_from_the_rest(tmp_path: Path) -> None:
    """At 3 Mbit/s four outputs of 1 x 1 convolutions together are smaller than any single output that crosses alone."""
    division = division_of("googlenet", "int4")
    found = delays_of(division, RATES_BPS)
    assert found.chain == pytest.approx(np.minimum(found.chain, np.minimum(found.device, found.server)), rel=1e-12)
    assert np.all(found.graph <= found.chain * (1 + 1e-12))
    assert (found.gain > 1e-3).tolist() == [False, True, True, False, False]
    assert found.graph_divides.tolist() == [False, True, True, True, False]
    placement = division.best(RATES_BPS[1]).placement
    crossing = {v for v, u in division.graph.edges if not placement[v] and placement[u]}
    names = {division.graph.profile.layers[v].name for v in crossing}
    assert names == {f"inception4a.{branch}.0" for branch in ("one", "three.0", "five.0", "pooled.1")}
    row = row_of("googlenet", "int4", found, RATES_BPS)
    assert row["graph better at Mbit/s"] == "2.8 to 3.2"
    assert draw(found, RATES_BPS, tmp_path / "cuts.pdf").read_bytes().startswith(b"%PDF")


def test_a_skip_crosses_beside_its_branch() -> None:
    found = delays_of(division_of("resnet50", "int4"), RATES_BPS)
    assert found.graph == pytest.approx(found.chain, rel=1e-6)
    assert found.graph_divides.any()
