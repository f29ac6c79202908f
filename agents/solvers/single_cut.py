"""One cut of a chain: layers before the cut run on the device, the others on the server.

Kang et al., "Neurosurgeon: collaborative intelligence between the cloud and mobile edge", ASPLOS 2017.
"""

import numpy as np
from numpy.typing import ArrayLike

from agents.solvers.solution import FloatArray, Solution, cost_array


def latency_cut(
    device: ArrayLike, server: ArrayLike, upload: ArrayLike, round_trip: float = 0.0, result: float = 0.0
) -> Solution:
    """Return the cut with the least sum of computation and transfers; of equals, the first.

    `device`, `server`: times of the L layers, shape (L,). `upload[p]`: time to send the input of layer p, shape (L,).
    `round_trip` and `result` (the answer's way back) are added unless all layers run on the device. Places: 0 the
    device, 1 the server. Raises ValueError for other shapes or negative costs. Takes O(L).
    """
    away = cost_array("round trip and result", [round_trip, result], 2).sum()
    before, after, sent = _parts(device, server, upload, away)
    return _best(before + sent + after)


def bottleneck_cut(device: ArrayLike, server: ArrayLike, upload: ArrayLike, result: float = 0.0) -> Solution:
    """Return the cut with the least time of the slowest stage: device, uplink, server, or the answer's way back. That
    is the time between two answers of a pipeline. Arguments, errors and time as in `latency_cut`."""
    before, after, sent = _parts(device, server, upload, 0.0)
    back = np.where(np.arange(len(before)) < len(before) - 1, result, 0.0)
    return _best(np.max([before, sent, after, cost_array("result", back, len(back))], axis=0))


def _parts(
    device: ArrayLike, server: ArrayLike, upload: ArrayLike, away: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the times at the device, at the server and on the way by the cut 0..L; `away` is added on the way."""
    device = cost_array("device", device, -1)
    layers = len(device)
    server, upload = cost_array("server", server, layers), cost_array("upload", upload, layers)
    before = np.concatenate([[0.0], np.cumsum(device)])
    after = np.concatenate([np.cumsum(server[::-1])[::-1], [0.0]])
    return before, after, np.append(upload + away, 0.0)


def _best(totals: FloatArray) -> Solution:
    cut = int(np.argmin(totals))
    return Solution.optimum(np.arange(len(totals) - 1) >= cut, totals[cut])
