"""What freezing costs: delays by a frozen trace beside those of the loop that the traffic itself drives.

    python -m benchmarks.freezing

prints the tables of docs/emulator-freezing.md. Both meet the same SINR, slot by slot, and the same messages; the
frozen trace was made by a full buffer, the closed loop adapts, repeats and grants for what there is to send.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import stats

from emulator.channel.air.closed_loop import NOT_RELEASED, ClosedLoop
from emulator.channel.air.full_buffer import AirInterface, initial_air_state
from emulator.channel.large_scale.track import static
from emulator.channel.radio import Base, Direction, Fading, Profile, Radio, Ue
from emulator.channel.signal import Signal
from emulator.core.arrays import Floats, Ints
from emulator.core.randomness import draw_key, generator
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.link import Link
from emulator.system import LinkSpec, Ramp
from emulator.trace import Trace

UNITS = 8  # UEs, each with a channel and messages of its own
SECONDS = 60
SLOT_NS = 500_000
SINR_DB = 15.0  # of one branch, on average
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
    """A channel as the receiver meets it, what a full buffer gets of it, and the key of its blocks' draws."""

    radio: Radio
    sinr: Floats
    symbols: Ints
    trace: Trace
    key: int


Pair = tuple[Floats | Ints, Floats | Ints]


class Delays(NamedTuple):
    """Of the same messages, shape (messages,) each, ns."""

    frozen: Ints
    closed: Ints


@lru_cache(2 * UNITS)
def air(profile: Profile, speed_kmh: float, direction: Direction, unit: int, seconds: int = SECONDS) -> Channel:
    """A UE that stands where one branch's SINR is `SINR_DB`, while its surroundings pass by at the speed."""
    radio, entity = _at_sinr(profile, speed_kmh / 3.6, direction), f"ue{unit}"
    heard = Signal(radio, static(50.0, 0.0), 1, entity, direction).next_slots(seconds * NS_PER_S // SLOT_NS)
    key = draw_key(1, entity, "freezing")
    columns = AirInterface(radio.carrier, radio.adaptation, radio.harq, key).feed(heard.sinr, heard.symbols)
    behaviour = {name: columns[name] for name in ("capacity_bits", "harq_delay_ns", "block_lost")}
    return Channel(radio, heard.sinr, heard.symbols, Trace(SLOT_NS, behaviour, "slot"), key)


def _at_sinr(profile: Profile, speed_mps: float, direction: Direction) -> Radio:
    """Whatever the losses are: the powers make up for them."""
    still = Radio(fading=Fading("none", branches=1), ue=Ue(p0_dbm=200.0), base=Base())
    got_db = 10 * np.log10(Signal(still, static(50.0, 0.0), 1, "ue", direction).next_slots(1).sinr[0, 0])
    more_db = float(SINR_DB - got_db)
    return replace(
        still,
        fading=Fading(profile, 100.0, branches=2, scatter_mps=speed_mps),
        base=replace(still.base, tx_power_dbm=still.base.tx_power_dbm + more_db),
        ue=replace(still.ue, tx_power_dbm=still.ue.tx_power_dbm + more_db),
    )


def delays(channel: Channel, arrivals_ns: Ints, size_bytes: int, ramp: Ramp | None) -> Delays:
    """Of all messages that both let go before the trace ends."""
    link = Link(LinkSpec("a", "b", channel.trace, queue_bytes=2**60, retransmission_ns=RLC_NS, ramp=ramp), 1)
    frozen = np.array([each.release_ns for now in arrivals_ns.tolist() if (each := link.enqueue(now, size_bytes))])
    radio = channel.radio
    loop = ClosedLoop(
        initial_air_state(radio.carrier, radio.adaptation, radio.harq, channel.key),
        arrivals_ns,
        np.full(len(arrivals_ns), size_bytes),
        ramp,
        RLC_NS,
    )
    loop.feed(channel.sinr, channel.symbols)
    closed = loop.release_ns()
    both = (closed != NOT_RELEASED) & (frozen <= channel.trace.period_ns)
    return Delays((frozen - arrivals_ns)[both], (closed - arrivals_ns)[both])


def arrivals(unit: int, mean_gap_ns: float, seconds: int, purpose: str) -> Ints:
    """A Poisson process over all but the last twentieth of the time."""
    rng = generator(1, f"ue{unit}", purpose)
    until_ns = seconds * NS_PER_S * 0.95
    gaps = rng.exponential(mean_gap_ns, int(2 * until_ns / mean_gap_ns) + 100)
    at_ns = np.cumsum(gaps)
    return at_ns[at_ns < until_ns].astype(np.int64)


def loaded(channel: Channel, unit: int, load: float, ramp: Ramp | None, seconds: int = SECONDS) -> Delays:
    """Messages that ask for a share `load` of what a full buffer gets."""
    gap_ns = MESSAGE_BYTES * 8 * NS_PER_S / (load * channel.trace.mean_rate_bps)
    return delays(channel, arrivals(unit, gap_ns, seconds, f"load {load}"), MESSAGE_BYTES, ramp)


def means(found: Sequence[Pair]) -> str:
    """Mean of the first of each pair in ms, and by how much the second's differs."""
    both = np.array([[each.mean() for each in pair] for pair in found])
    return f"{both[:, 0].mean() / NS_PER_MS:.1f} | {_difference(both)}"


def tails(found: Sequence[Pair]) -> str:
    """By how much the 99th percentile of the second of each pair differs from that of the first."""
    return _difference(np.array([[np.percentile(each, 99) for each in pair] for pair in found]))


def _difference(pairs: Floats) -> str:
    """In percent, with its 95 % interval over units; `pairs` has shape (units, 2)."""
    percent = 100 * (pairs[:, 1] / pairs[:, 0] - 1)
    half = stats.t.ppf(0.975, len(percent) - 1) * percent.std(ddof=1) / np.sqrt(len(percent))
    return f"{percent.mean():+.1f} ± {half:.1f}"


def load_table() -> Iterator[str]:
    """Lines: profile, speed and load; delays of either direction."""
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
    for unit in range(UNITS):
        channel = air(profile, speed_kmh, direction, unit)
        got = loaded(channel, unit, load, RAMPS[direction])
        found.append((got.closed, got.frozen))
    return f"{means(found)} | {tails(found)}"


def burst_table() -> Iterator[str]:
    """Lines: profile and size; delays of messages that come alone, and what a link without a ramp makes of them."""
    yield "| profile | bytes | downlink, ms | frozen, % | uplink, ms | frozen, % | without ramp, % |"
    yield "|---|---|---|---|---|---|---|"
    for profile in BURST_PROFILES:
        for size_bytes in BURSTS_BYTES:
            down = means([(got.closed, got.frozen) for got in _bursts(profile, "downlink", size_bytes, None)])
            ramped = _bursts(profile, "uplink", size_bytes, RAMPS["uplink"])
            bare = _bursts(profile, "uplink", size_bytes, None)
            up = means([(got.closed, got.frozen) for got in ramped])
            saturated = means([(got.closed, other.frozen) for got, other in zip(ramped, bare, strict=True)])
            yield f"| {profile} | {size_bytes} | {down} | {up} | {saturated.split(' | ')[1]} |"
        print(f"bursts, {profile}: done", file=sys.stderr)


def _bursts(profile: Profile, direction: Direction, size_bytes: int, ramp: Ramp | None) -> list[Delays]:
    """Of each unit."""
    found = []
    for unit in range(UNITS):
        channel = air(profile, BURST_SPEED_KMH, direction, unit)
        found.append(delays(channel, arrivals(unit, BURST_GAP_NS, SECONDS, "bursts"), size_bytes, ramp))
    return found


if __name__ == "__main__":
    for line in [*load_table(), "", *burst_table()]:
        print(line)
