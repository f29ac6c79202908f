"""One cut of a chain against every cut, computed layer by layer."""

import numpy as np
import pytest

from agents.solvers.single_cut import bottleneck_cut, latency_cut
from agents.solvers.solution import Infeasible, Proof


def stages(device: list[float], server: list[float], upload: list[float], result: float, cut: int) -> list[float]:
    """The times of device, uplink, server and downlink."""
    away = cut < len(device)
    return [sum(device[:cut]), upload[cut] if away else 0.0, sum(server[cut:]), result if away else 0.0]


def test_no_cut_is_better() -> None:
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(400):
        layers = int(rng.integers(1, 9))
        device, server, upload = (rng.exponential(mean, layers).tolist() for mean in (1.0, 0.3, 1.0))
        result, round_trip = rng.exponential(0.2, 2).tolist()
        times = [stages(device, server, upload, result, cut) for cut in range(layers + 1)]
        sums = [sum(each) + round_trip * (cut < layers) for cut, each in enumerate(times)]
        latency = latency_cut(device, server, upload, round_trip, result)
        bottleneck = bottleneck_cut(device, server, upload, result)
        for found, totals in ((latency, sums), (bottleneck, list(map(max, times)))):
            cut = found.placement.count(0)
            assert found.placement == (0,) * cut + (1,) * (layers - cut)
            assert found.value == pytest.approx(min(totals), rel=1e-12)
            assert totals[cut] == pytest.approx(min(totals), rel=1e-12)
            assert found.proof is Proof.OPTIMUM
        seen.add(latency.placement.count(0) / layers)
    assert {0.0, 1.0} < seen


def test_of_equal_cuts_the_first() -> None:
    assert latency_cut([1, 1], [1, 1], [0, 0]).placement == (1, 1)


def test_infinite_costs_forbid() -> None:
    inf = float("inf")
    assert latency_cut([inf, 1], [1, 1], [5, 0]) == ((1, 1), 7.0, Proof.OPTIMUM)
    assert bottleneck_cut([inf, 1], [1, 1], [5, 0]).value == 5.0
    with pytest.raises(Infeasible, match="no placement has a finite cost"):
        latency_cut([inf], [inf], [0])


def test_wrong_costs_are_named() -> None:
    with pytest.raises(ValueError, match=r"^upload: must have the shape \(2\), not \(3,\)$"):
        latency_cut([1, 1], [1, 1], [0, 0, 0])
    with pytest.raises(ValueError, match=r"^server: must not be negative, nor NaN$"):
        bottleneck_cut([1, 1], [1, float("nan")], [0, 0])
    with pytest.raises(ValueError, match=r"^round trip and result: must not be negative"):
        latency_cut([1], [1], [0], -2.0)
    with pytest.raises(ValueError, match=r"^round trip and result: must not be negative"):
        latency_cut([1], [1], [0], round_trip=-1.0, result=5.0)
