"""The surrogates against held-out measurements."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from agents.layer_split.channels import CHANNELS
from agents.layer_split.environment import problem_of
from agents.layer_split.losses import CODEC, LossModel
from agents.layer_split.surrogate import Measurements, fit_gains, fit_nats
from emulator.core.arrays import Floats
from topologies.quality.measurement import Case

HELD_OUT_WINDOWS = 2
SURROGATES: Mapping[str, Callable[[Measurements, int], LossModel]] = {"gains": fit_gains, "nats": fit_nats}


class Fit(NamedTuple):
    """Root mean squared errors in nats a token on held-out measurements: of the surrogate, of the means of each split
    and level on the windows that it was fitted to, and of one number for all; and of the surrogate against the table's
    means."""

    fitted_to: str
    measurements: int
    held_out: int
    surrogate: float
    cell_means: float
    constant: float
    against_table: float


def measurements(units: Mapping[Case, Floats], channel: str, windows: slice) -> Measurements:
    """Return the single measurements of a channel on some of the windows, the harmless level 0 among them."""
    delivery = CHANNELS[channel].delivery
    cases = [case for case in units if case.codec == CODEC and case.delivery in {"", delivery}]
    columns = [units[case].ravel()[windows] for case in cases]
    repeats = len(columns[0])
    levels = np.repeat([case.level for case in cases], repeats)
    splits = np.repeat([case.cut - 1 for case in cases], repeats)
    return Measurements(levels, splits, np.concatenate(columns))


def known_measurements(units: Mapping[Case, Floats], channel: str) -> Measurements:
    """Return those that surrogates are fitted to: of all windows but the last."""
    return measurements(units, channel, slice(None, -HELD_OUT_WINDOWS))


def fits(units: Mapping[Case, Floats], channel: str, seed: int) -> Iterator[Fit]:
    """Yield the errors of each surrogate."""
    known = known_measurements(units, channel)
    unseen = measurements(units, channel, slice(-HELD_OUT_WINDOWS, None))
    means = {
        key: known.losses[(known.levels == key[0]) & (known.splits == key[1])].mean()
        for key in set(zip(known.levels.tolist(), known.splits.tolist(), strict=True))
    }
    cells = np.array([means[key] for key in zip(unseen.levels.tolist(), unseen.splits.tolist(), strict=True)])
    levels, splits = (np.array(column) for column in zip(*means, strict=True))
    table = problem_of(channel).loss_model.losses(levels, splits)
    for name, make in SURROGATES.items():
        surrogate = make(known, seed)
        errors = (
            surrogate.losses(unseen.levels, unseen.splits) - unseen.losses,
            cells - unseen.losses,
            known.losses.mean() - unseen.losses,
            surrogate.losses(levels, splits) - table,
        )
        squares = (float(np.sqrt(np.mean(each**2))) for each in errors)
        yield Fit(name, len(known.losses), len(unseen.losses), *squares)
