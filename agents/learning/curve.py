"""Points of a learning curve."""

from typing import Any, NamedTuple

import numpy as np

from emulator.core.arrays import Float32s

Curve = list[dict[str, Any]]


class Diagnostics(NamedTuple):
    """Statistics of a training update, as CleanRL defines them.

    `entropy` (mean, nats), `value_loss` and `approx_kl` are of the last minibatch. `clipfrac` is the mean share of
    clipped ratios over all minibatches. A3C clips nothing: there the last two are None.
    """

    entropy: float
    value_loss: float
    explained_variance: float
    approx_kl: float | None = None
    clipfrac: float | None = None


def curve_point(
    agent: str, seed: int, step: int, reward_mean: float, episode_return: float, diagnostics: Diagnostics
) -> dict[str, Any]:
    """Return a point of a learning curve: `agent`, `seed`, `step` (of environments, since the training's start),
    `reward_mean` (of the steps since the last point), `episode_return` (mean of the episodes that ended since then,
    NaN if none did) and the fields of `Diagnostics`."""
    return {
        "agent": agent,
        "seed": seed,
        "step": step,
        "reward_mean": reward_mean,
        "episode_return": episode_return,
        **diagnostics._asdict(),
    }


def explained_variance(values: Float32s, returns: Float32s) -> float:
    """Return the share of the returns' variance that the predicted values explain; NaN if returns do not vary."""
    with np.errstate(over="ignore", invalid="ignore"):  # of a training that diverges, which is refused at its end
        variance = returns.var()
        return float(1 - (returns - values).var() / variance) if variance > 0 else float("nan")
