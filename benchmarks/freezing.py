"""Delays over a frozen trace, compared with the closed loop: `python -m benchmarks.freezing`.

Prints the tables of docs/emulator-freezing.md. Both have the same SINR, slot by slot, and the same messages. The frozen
trace was generated with a full buffer; in the closed loop, adaptation, retransmissions and grants follow the messages.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import stats

from emulator.channel.air.closed_loop import NOT_RELEASED, ClosedLoop
from emulator.channel.air.full_buffer import AirInterface, air_state
from emulator.channel.air.slot import Received
from emulator.channel.large_scale.track import static
from emulator.channel.radio import Base, Direction, Fading, Profile, Radio, Ue
from emulator.channel.signal import Signal
from emulator.core.arrays import Floats, Ints
from emulator.core.randomness import draw_key, generator
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.link import Link
from emulator.system import LinkSpec, Ramp
from emulator.trace import Trace

UES = 8  # each with its own channel and messages
SECONDS = 60
SLOT_NS = 500_000
SINR_DB = 15.0  # mean per branch
SPEEDS_KMH = (3, 30)
PROFILES: tuple[Profile, ...] = ("none", "tdl-a", "tdl-b", "tdl-c", "tdl-d", "tdl-e", "rayleigh", "rice", "nakagami")
LOADS = (0.05, 0.3, 0.6, 0.9)
MESSAGE_BYTES = 20_000
BURSTS_BYTES = (1_500, 15_000, 150_000)
BURST_GAP_NS = 300 * NS_PER_MS
BURST_PROFILES: tuple[Profile, ...] = ("none", "tdl-c", "tdl-d", "rayleigh")
BURST_SPEED_KMH = 3
RLC_NS = 20 * NS_PER_MS
RAMPS: dict[Direction, Ramp | None] = {
    "downlink": None,
    "uplink": Ramp(
        idle_ns=20 * NS_PER_MS,
        delay_ns=3 * NS_PER_MS,
        period_ns=10 * NS_PER_MS,
        first_bytes=500,
        report_ns=4 * NS_PER_MS,
    ),
}


class Channel(NamedTuple):
    """SINR and data symbols of a channel, its trace under a full buffer, and the key of its blocks' draws."""

    radio: Radio
    direction: Direction
    received: Received
    trace: Trace
    key: int


Pair = tuple[Floats | Ints, Floats | Ints]


class Delays(NamedTuple):
    """Delays of the same messages in ns, shape (messages,) each."""

    frozen: Ints
    closed: Ints


@lru_cache(2 * UES)
def channel_of(profile: Profile, speed_kmh: float, direction: Direction, ue: int, seconds: int = SECONDS) -> Channel:
    """Generate the channel of a static UE with mean SINR `SINR_DB` per branch, whose surroundings move at the speed."""
    radio, entity = _at_sinr(profile, speed_kmh / 3.6, direction), f"ue{ue}"
    slots = Signal(radio, static(50.0, 0.0), 1, entity, direction).next_slots(seconds * NS_PER_S // SLOT_NS)
    key = draw_key(1, entity, "freezing")
    columns = AirInterface(air_state(radio, direction, key)).feed(slots.received)
    behaviour = {name: columns[name] for name in ("capacity_bits", "harq_delay_ns", "block_lost")}
    return Channel(radio, direction, slots.received, Trace(SLOT_NS, behaviour, "slot"), key)


def _at_sinr(profile: Profile, speed_mps: float, direction: Direction) -> Radio:
    """Return settings with transmit powers that give `SINR_DB`, whatever the losses."""
    still = Radio(fading=Fading("none"), ue=Ue(p0_dbm=200.0, antennas=1), base=Base(antennas=1))
    found_db = 10 * np.log10(Signal(still, static(50.0, 0.0), 1, "ue", direction).next_slots(1).received.sinr[0, 0, 0])
    more_db = float(SINR_DB - found_db)
    return replace(
        still,
        fading=Fading(profile, 100.0, scatter_mps=speed_mps),
        base=replace(still.base, antennas=4, tx_power_dbm=still.base.tx_power_dbm + more_db),
        ue=replace(still.ue, antennas=4, tx_power_dbm=still.ue.tx_power_dbm + more_db),
    )


def delays(channel: Channel, arrivals_ns: Ints, size_bytes: int, ramp: Ramp | None) -> Delays:
    """Return the delays of all messages that both release before the trace ends."""
    link = Link.standalone(LinkSpec("a", "b", channel.trace, queue_bytes=2**60, retransmission_ns=RLC_NS, ramp=ramp), 1)
    frozen = np.array([each.release_ns for now in arrivals_ns.tolist() if (each := link.enqueue(now, size_bytes))])
    loop = ClosedLoop(
        air_state(channel.radio, channel.direction, channel.key),
        arrivals_ns,
        np.full(len(arrivals_ns), size_bytes),
        ramp,
        RLC_NS,
    )
    loop.feed(channel.received)
    closed = loop.release_ns()
    both = (closed != NOT_RELEASED) & (frozen <= channel.trace.period_ns)
    return Delays((frozen - arrivals_ns)[both], (closed - arrivals_ns)[both])


def arrivals(ue: int, mean_gap_ns: float, seconds: int, purpose: str) -> Ints:
    """Draw a Poisson process over the first 95 % of the time."""
    rng = generator(1, f"ue{ue}", purpose)
    until_ns = seconds * NS_PER_S * 0.95
    gaps = rng.exponential(mean_gap_ns, int(2 * until_ns / mean_gap_ns) + 100)
    at_ns = np.cumsum(gaps)
    return at_ns[at_ns < until_ns].astype(np.int64)


def loaded(channel: Channel, ue: int, load: float, ramp: Ramp | None, seconds: int = SECONDS) -> Delays:
    """Return the delays of messages that offer a share `load` of the full buffer's rate."""
    gap_ns = MESSAGE_BYTES * 8 * NS_PER_S / (load * channel.trace.mean_rate_bps)
    return delays(channel, arrivals(ue, gap_ns, seconds, f"load {load}"), MESSAGE_BYTES, ramp)


def means(found: Sequence[Pair]) -> str:
    """Return the mean of the first of each pair in ms, and the relative difference of the second's mean."""
    both = np.array([[each.mean() for each in pair] for pair in found])
    return f"{both[:, 0].mean() / NS_PER_MS:.1f} | {_difference(both)}"


def tails(found: Sequence[Pair]) -> str:
    """Return the relative difference of the 99th percentiles of each pair."""
    return _difference(np.array([[np.percentile(each, 99) for each in pair] for pair in found]))


def _difference(pairs: Floats) -> str:
    """Return the mean relative difference in percent with its 95 % interval; `pairs` has shape (UEs, 2)."""
    percent = 100 * (pairs[:, 1] / pairs[:, 0] - 1)
    half = stats.t.ppf(0.975, len(percent) - 1) * percent.std(ddof=1) / np.sqrt(len(percent))
    return f"{percent.mean():+.1f} ± {half:.1f}"


def load_table() -> Iterator[str]:
    """Yield the lines of the table by profile, speed and load."""
    yield "| profile | km/h | load | downlink, ms | frozen, % | 99 %, % | uplink, ms | frozen, % | 99 %, % |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for profile in PROFILES:
        for speed_kmh in SPEEDS_KMH if profile != "none" else SPEEDS_KMH[:1]:
            for load in LOADS:
                both = (_loaded(profile, speed_kmh, direction, load) for direction in RAMPS)
                yield f"| {profile} | {speed_kmh} | {load:.0%} | {' | '.join(both)} |"
            print(f"{profile} {speed_kmh} km/h: done", file=sys.stderr)


def _loaded(profile: Profile, speed_kmh: float, direction: Direction, load: float) -> str:
    found = []
    for ue in range(UES):
        delay = loaded(channel_of(profile, speed_kmh, direction, ue), ue, load, RAMPS[direction])
        found.append((delay.closed, delay.frozen))
    return f"{means(found)} | {tails(found)}"


def burst_table() -> Iterator[str]:
    """Yield the lines of the table of single messages by profile and size, also for an uplink without a ramp."""
    yield "| profile | bytes | downlink, ms | frozen, % | uplink, ms | frozen, % | without ramp, % |"
    yield "|---|---|---|---|---|---|---|"
    for profile in BURST_PROFILES:
        for size_bytes in BURSTS_BYTES:
            down = means([(each.closed, each.frozen) for each in _bursts(profile, "downlink", size_bytes, None)])
            ramped = _bursts(profile, "uplink", size_bytes, RAMPS["uplink"])
            without_ramp = _bursts(profile, "uplink", size_bytes, None)
            up = means([(each.closed, each.frozen) for each in ramped])
            saturated = means([(one.closed, other.frozen) for one, other in zip(ramped, without_ramp, strict=True)])
            yield f"| {profile} | {size_bytes} | {down} | {up} | {saturated.split(' | ')[1]} |"
        print(f"bursts, {profile}: done", file=sys.stderr)


def _bursts(profile: Profile, direction: Direction, size_bytes: int, ramp: Ramp | None) -> list[Delays]:
    """Return the delays of each UE."""
    found = []
    for ue in range(UES):
        channel = channel_of(profile, BURST_SPEED_KMH, direction, ue)
        found.append(delays(channel, arrivals(ue, BURST_GAP_NS, SECONDS, "bursts"), size_bytes, ramp))
    return found


if __name__ == "__main__":
    for line in [*load_table(), "", *burst_table()]:
        print(line)
