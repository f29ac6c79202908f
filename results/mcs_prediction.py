"""Compare recorded MCSs and ranks with those that the link model expects at the recorded SINR.

One parameter is fitted: the receiver's loss against the model, which also contains the difference between the phone's
SINR, of synchronisation signals, and the data's.
"""

from typing import NamedTuple

import numpy as np

from emulator.channel.air.expected import expected_link
from emulator.channel.radio import Adaptation
from emulator.core.arrays import Flags, Floats

LOSSLESS = Adaptation(implementation_loss_db=0.0)
LOSSES_DB = np.arange(-20.0, 20.25, 0.25)
JUDGED_DB = (0.0, 24.0)
"""Beyond it, most networks have the least or the highest MCS."""
MIN_SAMPLES = 20  # in each half


class McsErrors(NamedTuple):
    """Median |error| of the MCS in the judged samples with a SINR of 0 to 24 dB, their number, and the mean |error| of
    the rank in those of them that have one (NaN: none has)."""

    mcs_samples: int
    mcs_median_error: float
    rank_mean_error: float


def mcs_samples(sinr_db: Floats, mcs: Floats) -> Flags:
    """Return which samples have an MCS and a SINR of 0 to 24 dB, shape (samples,)."""
    found: Flags = (sinr_db >= JUDGED_DB[0]) & (sinr_db <= JUDGED_DB[1]) & ~np.isnan(mcs)
    return found


def fit_loss_db(sinr_db: Floats, mcs: Floats, layers: int) -> float:
    """Return the loss with the least median |error| of the MCS, and of equals that with the least mean. Steps of
    0.25 dB from -20 to 20 dB; samples without gaps, shape (samples,) each."""

    def error(loss_db: float) -> tuple[float, float]:
        errors = np.abs(expected_link(sinr_db - loss_db, LOSSLESS, layers).mcs - mcs)
        return float(np.median(errors)), float(errors.mean())

    losses_db: list[float] = LOSSES_DB.tolist()
    return min(losses_db, key=error)


def mcs_errors(sinr_db: Floats, mcs: Floats, rank: Floats, loss_db: float, layers: int) -> McsErrors:
    """Return the errors of the model with this loss; `rank` is NaN where there is none, shape (samples,) each."""
    expected = expected_link(sinr_db - loss_db, LOSSLESS, layers)
    ranked = ~np.isnan(rank)
    rank_errors = np.abs(expected.rank - rank)[ranked]
    return McsErrors(
        len(mcs), float(np.median(np.abs(expected.mcs - mcs))), float(rank_errors.mean()) if ranked.any() else np.nan
    )
