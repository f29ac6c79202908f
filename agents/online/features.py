"""What a contextual bandit sees of each candidate: the parts of its estimated cost, and the servers that it uses."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agents.split_inference.exact import Estimate
from emulator.core.arrays import Floats
from emulator.task import Placement

PARTS = 4  # computing at the source, computing elsewhere, messages with all that they cost, waiting


class Contexts(NamedTuple):
    """Features of each candidate, shape (candidates, PARTS + servers), relative to `scale_ns`, the least estimate: a
    row without coverage is infinite. The estimate of a candidate is the sum of its first PARTS features."""

    rows: Floats
    scale_ns: float


def prior_of(servers: Sequence[str]) -> Floats:
    """Return the coefficients under which the estimates are right: 1 for each part, 0 for each server."""
    return np.array([1.0] * PARTS + [0.0] * len(servers))


def contexts_of(
    estimate: Estimate, source: str, candidates: Sequence[Placement], servers: Sequence[str]
) -> Contexts | None:
    """Return the features of the candidates of a task; None if there is coverage for none."""
    rows = np.zeros((len(candidates), PARTS + len(servers)))
    for row, placement in zip(rows, candidates, strict=True):
        row[:PARTS] = _parts_ns(estimate, source, placement)
        for part in placement:
            if part.node != source:
                row[PARTS + servers.index(part.node)] = 1.0
    scale_ns = float(rows[:, :PARTS].sum(axis=1).min())
    if not np.isfinite(scale_ns):
        return None
    rows[:, :PARTS] /= max(scale_ns, 1.0)
    return Contexts(rows, max(scale_ns, 1.0))


def _parts_ns(estimate: Estimate, source: str, placement: Placement) -> tuple[float, float, float, float]:
    own_ns = away_ns = 0.0
    messages_ns, before = estimate.return_ns(placement[-1].node, placement[0]), source
    for part in placement:
        if part.node == source:
            own_ns += estimate.computing_ns(part)
        else:
            away_ns += estimate.computing_ns(part)
        messages_ns += estimate.handover_ns(before, part)
        before = part.node
    if messages_ns == float("inf"):
        return own_ns, away_ns, messages_ns, 0.0
    return own_ns, away_ns, messages_ns, max(0.0, estimate.of(placement) - own_ns - away_ns - messages_ns)
