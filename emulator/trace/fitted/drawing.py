"""Draws new traces from the model of a recording."""

import numpy as np

from emulator.core.arrays import Ints
from emulator.core.randomness import generator
from emulator.core.units import NS_PER_S
from emulator.trace import Interval, Trace
from emulator.trace.fitted.model import RateModel, describe
from emulator.trace.fitted.rearrangement import rearranged

FITTED_VERSION = 2  # changes whenever the same seed draws other values


def draw(model: RateModel, duration_ns: int, seed: int, entity: str) -> Trace:
    """Draw a `fluid` trace, one slot per sample of the model.

    Draws and lineage are addressed by seed and entity; facts about the recording are in the metadata, and a note if
    the trace is longer than the model's horizon. Raises ValueError if the duration is not a whole number of samples,
    or `entity` is empty."""
    if duration_ns < 1 or duration_ns % model.sample_ns:
        given = f"duration={duration_ns / NS_PER_S:g} s"
        raise ValueError(f"{given}: must be a whole number of samples of {model.sample_ns / NS_PER_S:g} s")
    if not entity:
        raise ValueError("entity='': must name whose channel it is")
    order = draw_order(model, duration_ns // model.sample_ns, seed, entity)
    metadata = {
        "kind": "fitted",
        "generator": f"fitted {FITTED_VERSION}",
        "model": {**describe(model), "learned_from": model.learned_from},
        "notes": horizon_notes(model, duration_ns),
        "seed": seed,
        "entity": entity,
    }
    return Trace(
        model.sample_ns,
        {"capacity_bits": np.array(model.capacity_bits)[order]},
        lineage=(Interval(f"fitted {FITTED_VERSION}: seed {seed}, entity {entity}", 0, duration_ns),),
        metadata=metadata,
    )


def draw_order(model: RateModel, samples: int, seed: int, entity: str) -> Ints:
    """Draw the numbers of the recorded samples, shape (samples,). As many as the recording has are a rearrangement of
    it that begins with any of them, fewer are a part of one from anywhere, more are several in a row that begin with
    the same sample."""
    recorded = model.rates_bps()
    places = generator(seed, entity, "fitted places")
    first = int(places.integers(len(recorded)))
    laps = range(-(-samples // len(recorded)))
    orders = [rearranged(recorded, first, generator(seed, entity, "fitted order", lap)) for lap in laps]
    start = int(places.integers(max(len(recorded) - samples, 0) + 1))
    return np.concatenate(orders)[start : start + samples]


def horizon_notes(model: RateModel, duration_ns: int) -> list[str]:
    """Return what to know about draws of this length: nothing up to the model's horizon."""
    if duration_ns <= model.horizon_ns:
        return []
    horizon_s, span_s = model.horizon_ns / NS_PER_S, model.span_ns / NS_PER_S
    return [
        f"drawn for {duration_ns / NS_PER_S:g} s, but the recording of {span_s:g} s shows only how means over up to "
        f"{horizon_s:g} s vary: the means of draws this long differ less than those of recordings this long"
        + (f", and from {span_s:g} s on hardly or not at all" if duration_ns >= model.span_ns else "")
    ]
