"""M/M/1 and M/D/1 through the real link: the mean sojourn of theory lies inside a narrow interval.

Poisson messages over a fluid link of constant rate are an M/G/1 queue. Its mean sojourn is the mean service
plus Pollaczek and Khinchine's mean wait; for exponential sizes 1 / (mu - lambda), for constant ones
D + rho D / (2 (1 - rho)).

At rho = 0.95 a plain average would need some 25 million messages. Four controls with known means, applied
by regression over independent replications (Lavenberg and Welch, Management Science 27(3), 1981), do with
less than a third. With x_i = service_i - gap_i, less its mean, of the generated input:
- the mean of x, with mean 0: how much load the replication happened to get;
- the mean of x_i y_i, where y_i is an exponentially forgetting sum of x_j, j < i, over a short and over a
  long memory: mean 0, because x_i is independent of its past; how much the load happened to cluster;
- the work that stands in the link at the start. It is drawn from the stationary law (a geometric number of
  residual services, Benes), whose mean is the mean wait, so that no replication has a warm-up to cut off.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import signal, stats

from emulator.core.arrays import Floats
from emulator.core.units import NS_PER_MS
from emulator.link import Link
from emulator.system import LinkSpec
from emulator.trace import constant

RATE_BPS = 8e9
MEAN_BYTES = 1_000_000  # one service: 1 ms
CONFIDENCE = 0.99  # of each interval; the narrower 95 % intervals would miss in one of four sound suites of six


@dataclass(frozen=True)
class Sizes:
    """Service times in ms: how they and their residual lives are drawn, and the mean residual life.

    Sizes are rounded up to whole bytes and releases to whole ns: each lengthens a service by less than
    1e-6 of its mean, and so, at rho = 0.95, the mean sojourn by less than 1e-6 * (1 + 0.95 / 0.05) = 2e-5 of it.
    """

    draw: Callable[[np.random.Generator, int], Floats]
    residual: Callable[[np.random.Generator, int], Floats]
    mean_residual: float


EXPONENTIAL = Sizes(lambda rng, count: rng.exponential(1.0, count), lambda rng, count: rng.exponential(1.0, count), 1.0)
CONSTANT = Sizes(lambda rng, count: np.ones(count), lambda rng, count: rng.random(count), 0.5)


def mean_wait(sizes: Sizes, rho: float) -> float:
    """Pollaczek and Khinchine, in mean services."""
    return rho / (1 - rho) * sizes.mean_residual


def replicate(rng: np.random.Generator, link: Link, sizes: Sizes, rho: float, messages: int) -> tuple[float, Floats]:
    """The mean sojourn in ms of messages sent through the link, and the controls, each with mean 0."""
    services, gaps = sizes.draw(rng, messages), rng.exponential(1 / rho, messages)
    work = sizes.residual(rng, rng.geometric(1 - rho) - 1).sum()
    arrivals_ns = np.rint(np.cumsum(gaps) * NS_PER_MS).astype(np.int64)
    sizes_bytes = np.ceil(services * MEAN_BYTES).astype(np.int64)
    link.reset()
    if work:
        link.enqueue(0, int(np.ceil(work * MEAN_BYTES)))
    enqueue = link.enqueue
    departures_ns = [
        enqueue(now_ns, size_bytes)[2]  # type: ignore[index]  # never None: the queue is endless
        for now_ns, size_bytes in zip(arrivals_ns.tolist(), sizes_bytes.tolist(), strict=True)
    ]
    sojourn = (np.array(departures_ns) - arrivals_ns).mean() / NS_PER_MS
    excess = (services - 1) - (gaps - 1 / rho)
    relaxation = 1 / (1 - rho) ** 2
    clustering = [_clustering(excess, memory) for memory in (relaxation / 4, relaxation)]
    return float(sojourn), np.array([excess.mean(), *clustering, work - mean_wait(sizes, rho)])


def _clustering(excess: Floats, memory: float) -> float:
    past = signal.lfilter([1.0], [1.0, -np.exp(-1 / memory)], excess)
    return float((past[:-1] * excess[1:]).mean())


def controlled_interval(values: Floats, controls: Floats) -> tuple[float, float]:
    """(mean, half-width) of the intercept when the values are regressed on controls of mean 0."""
    design = np.column_stack([np.ones(len(values)), controls])
    coefficients = np.linalg.lstsq(design, values)[0]
    left = values - design @ coefficients
    freedom = len(values) - design.shape[1]
    variance = left @ left / freedom * np.linalg.inv(design.T @ design)[0, 0]
    return float(coefficients[0]), float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(variance))


@pytest.mark.parametrize(
    ("name", "sizes", "rho", "replications", "messages"),
    [
        ("M/M/1", EXPONENTIAL, 0.5, 40, 10_000),
        ("M/M/1", EXPONENTIAL, 0.8, 40, 25_000),
        ("M/M/1", EXPONENTIAL, 0.95, 150, 50_000),
        ("M/D/1", CONSTANT, 0.5, 40, 10_000),
        ("M/D/1", CONSTANT, 0.8, 40, 25_000),
        ("M/D/1", CONSTANT, 0.95, 80, 50_000),
    ],
)
def test_mean_sojourn_of_theory_lies_in_a_two_percent_interval(
    name: str, sizes: Sizes, rho: float, replications: int, messages: int
) -> None:
    link = Link.standalone(LinkSpec("ue1", "gnb", constant(RATE_BPS), queue_bytes=2**62), 1)
    rng = np.random.default_rng([int(100 * rho), len(name), replications, messages])
    runs = [replicate(rng, link, sizes, rho, messages) for _ in range(replications)]
    mean, half_width = controlled_interval(np.array([run[0] for run in runs]), np.array([run[1] for run in runs]))
    theory = 1 + mean_wait(sizes, rho)
    print(f"{name} at {rho}: theory {theory:.4f}, measured {mean:.4f} +- {half_width:.4f} services")
    assert half_width <= 0.02 * theory
    assert abs(mean - theory) <= half_width


def test_a_link_that_is_a_little_slow_falls_out_of_the_interval() -> None:
    """The check can fail: at rho = 0.8 a link 2 % slower than declared has a mean sojourn 10 % longer."""
    slow = Link.standalone(LinkSpec("ue1", "gnb", constant(RATE_BPS / 1.02), queue_bytes=2**62), 1)
    rng = np.random.default_rng(1)
    runs = [replicate(rng, slow, EXPONENTIAL, 0.8, 10_000) for _ in range(40)]
    mean, half_width = controlled_interval(np.array([run[0] for run in runs]), np.array([run[1] for run in runs]))
    assert mean - half_width > 1 + mean_wait(EXPONENTIAL, 0.8)


@pytest.mark.parametrize("sizes", [EXPONENTIAL, CONSTANT])
def test_every_sojourn_equals_lindleys_recursion(sizes: Sizes) -> None:
    """Path by path, not only in the mean: W' = max(0, W - gap) + service, in whole ns, rounded up for each."""
    rng = np.random.default_rng(2)
    link = Link.standalone(LinkSpec("ue1", "gnb", constant(RATE_BPS), queue_bytes=2**62), 1)
    now_ns = work_ns = 0
    for gap, service in zip(rng.exponential(1.1, 5_000), sizes.draw(rng, 5_000), strict=True):
        gap_ns, size_bytes = round(gap * NS_PER_MS), max(1, int(service * MEAN_BYTES))
        now_ns += gap_ns
        work_ns = max(0, work_ns - gap_ns) + size_bytes  # 8e9 bit/s: a byte a ns
        delivery = link.enqueue(now_ns, size_bytes)
        assert delivery is not None and delivery.arrival_ns - now_ns == work_ns
