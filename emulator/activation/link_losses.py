"""What a fading link of the emulator loses of a message without retransmissions: whole blocks, and with each the
packets that it carried a part of."""

from functools import cache

import numpy as np

from emulator.channel.generate import generate
from emulator.channel.large_scale.track import Track
from emulator.channel.radio import Fading, Harq, Radio
from emulator.core.arrays import Flags
from emulator.core.units import NS_PER_S
from emulator.link import Link
from emulator.system import LinkSpec

DURATION_NS = 300 * NS_PER_S
LEG_NS, LEG_M = 12_500_000_000, 100.0  # the UE moves to and fro at 8 m/s,
DISTANCE_M = 200.0  # so far from the site
UNLIMITED_BYTES = 1 << 62


def link_losses(units: int, count: int, packet_bytes: int, rng: np.random.Generator) -> Flags:
    """Return which of `units` packets in a row the link loses, given that it loses `count` of them: a stretch of
    `packet_losses` that starts anywhere. Raises ValueError if no stretch has lost as many."""
    lost = packet_losses(packet_bytes)
    if units > len(lost):
        raise ValueError(f"packets={units}: must be at most {len(lost)}")
    before = np.concatenate(([0], np.cumsum(lost)))
    starts = np.flatnonzero(before[units:] - before[: len(before) - units] == count)
    if not len(starts):
        raise ValueError(f"share={count / units:g}: the link never loses {count} of {units} packets")
    start = int(starts[rng.integers(len(starts))])
    return lost[start : start + units]


def street_uplink(packet_bytes: int) -> LinkSpec:
    """Return the uplink of a UE that moves in a street: Rayleigh fading, link adaptation that aims at a tenth of the
    blocks (`Adaptation`), one transmission of each block."""
    legs = np.arange(DURATION_NS // LEG_NS + 1)
    track = Track(legs * LEG_NS, np.stack([np.full(len(legs), DISTANCE_M), legs % 2 * LEG_M], axis=1))
    radio = Radio(fading=Fading(profile="rayleigh"), harq=Harq(max_transmissions=1))
    trace = generate(radio, track, DURATION_NS, 0, "losses of activations", "uplink")
    return LinkSpec("ue", "edge", trace, bearer="um", queue_bytes=UNLIMITED_BYTES, fragment_bytes=packet_bytes)


@cache
def packet_losses(packet_bytes: int) -> Flags:
    """Return which packets are lost, one after the other, if a UE sends on `street_uplink` without a pause. The same in
    every process."""
    spec = street_uplink(packet_bytes)
    link = Link.standalone(spec, 0)
    packets = int(spec.trace.capacity_bits.sum()) // (8 * packet_bytes)
    sent = (link.enqueue(0, packet_bytes) for _ in range(packets))
    return np.array([each is not None and each.erased_fraction > 0 for each in sent])
