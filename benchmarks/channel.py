"""Speed of channel generation, from propagation to goodput, compared with the impulse response alone.

The channel: one UE in TR 38.901 UMi, TDL-C, 40 MHz at 30 kHz (slots of 0.5 ms), downlink: large scale, fading, SINR of
14 resource block groups, link adaptation, HARQ, bits; 30 km/h, one antenna and one layer unless stated; in the row
`_4x4` four antennas and up to four layers, the default. The peer computes less: the complex gains of the 24 taps of
TDL-C in the same slots, each a sum of `SINUSOIDS` plane waves (Clarke's model, as usually written in numpy), with one
receive antenna and one thread.
"""

import sys
import time
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np
import numpy.typing as npt
from scipy.constants import speed_of_light

from benchmarks.rows import Row, call_in_process, peak_memory_mib
from emulator.channel.generate import stream
from emulator.channel.large_scale.track import Track, to_and_fro
from emulator.channel.radio import Base, Fading, Radio, Ue
from emulator.channel.small_scale.delay_profile import tapped_delay_line
from emulator.core.randomness import generator
from emulator.core.units import NS_PER_S

SPEED_MPS = 30 / 3.6
CASES = {"": (SPEED_MPS, 1), "_3kmh": (3 / 3.6, 1), "_120kmh": (120 / 3.6, 1), "_4x4": (SPEED_MPS, 4)}
"""Endings of the rows' names: speed in m/s, antennas and layers."""
SLOT_NS = 500_000
SECONDS = 60
REPEATS = 5
SINUSOIDS = 20  # per tap: Sionna's default
PEER_CHUNK = 2_000  # slots at once: faster than all at once, which does not fit in the caches
DELAY_SPREAD_NS = 100.0


def radio(antennas: int = 1) -> Radio:
    """Return the channel of the module's docstring, with up to as many layers as antennas."""
    fading = Fading("tdl-c", DELAY_SPREAD_NS)
    return Radio(base=Base(antennas=antennas), ue=Ue(antennas=antennas), fading=fading)


def street(speed_mps: float, duration_ns: int) -> Track:
    """Return a track along a street that begins 20 m from the site, to and fro."""
    return to_and_fro(((20.0, 0.0), (20.0, 180.0)), speed_mps, duration_ns)


def goodput_bits(seconds: int, speed_mps: float, entity: str = "ue1", antennas: int = 1) -> int:
    """Generate a channel chunk by chunk, without keeping it; return the sum of its bits."""
    duration_ns = seconds * NS_PER_S
    chunks = stream(radio(antennas), street(speed_mps, duration_ns), duration_ns, 1, entity, "downlink")
    return sum(int(chunk["capacity_bits"].sum()) for chunk in chunks)


def sum_of_sinusoids(seconds: int, speed_mps: float) -> float:
    """Compute the peer's taps; return the sum of their mean powers, about 1."""
    rng = generator(1, "peer", "waves")
    amplitudes = np.sqrt(tapped_delay_line("tdl-c", DELAY_SPREAD_NS).powers / SINUSOIDS)
    shape = (len(amplitudes), SINUSOIDS)
    turn = (
        2 * np.pi * speed_mps * radio().carrier.carrier_hz / speed_of_light * np.cos(rng.uniform(0, 2 * np.pi, shape))
    )
    phase = rng.uniform(0, 2 * np.pi, shape)
    slots = seconds * NS_PER_S // SLOT_NS
    power = 0.0
    for first in range(0, slots, PEER_CHUNK):
        times_s = np.arange(first, min(first + PEER_CHUNK, slots)) * (SLOT_NS / NS_PER_S)
        taps = impulse_response(amplitudes, turn, phase, times_s)
        power += float((np.abs(taps) ** 2).sum())
    return power / slots


def impulse_response(
    amplitudes: npt.NDArray[np.floating],
    turn: npt.NDArray[np.floating],
    phase: npt.NDArray[np.floating],
    times_s: npt.NDArray[np.floating],
) -> npt.NDArray[np.complex128]:
    """Return the complex gains of all taps at all times, shape (taps, times); `turn` in rad/s, (taps, waves)."""
    waves = np.exp(1j * (turn[:, :, None] * times_s + phase[:, :, None]))
    taps: npt.NDArray[np.complex128] = amplitudes[:, None] * waves.sum(axis=1)
    return taps


def rows() -> Iterator[Row]:
    """Return the rows of `make bench` for the channel."""
    for ending, (speed_mps, antennas) in CASES.items():
        yield speed_row(ending, speed_mps, antennas)
    yield from linear_rows()
    yield memory_row()


def speed_row(ending: str, speed_mps: float, antennas: int, seconds: int = SECONDS, repeats: int = REPEATS) -> Row:
    """Return the seconds of channel generated per second: medians over alternating runs."""
    own: list[float] = []
    peer: list[float] = []
    goodput_bits(1, speed_mps, antennas=antennas)  # compiles
    sum_of_sinusoids(1, speed_mps)
    for repeat in range(repeats):
        own.append(seconds / seconds_of(goodput_bits, seconds, speed_mps, "ue1", antennas))
        peer.append(seconds / seconds_of(sum_of_sinusoids, seconds, speed_mps))
        print(f"channel_tdlc_realtime_factor{ending}: {repeat + 1} of {repeats}", file=sys.stderr)
    return {
        "name": f"channel_tdlc_realtime_factor{ending}",
        "value": round(median(own)),
        "unit": "s/s",
        "peer": "numpy, a sum of sinusoids: the impulse response alone",
        "peer_value": round(median(peer), 1),
        "ratio": round(median(mine / other for mine, other in zip(own, peer, strict=True)), 2),
    }


def linear_rows(seconds: int = SECONDS, repeats: int = REPEATS) -> list[Row]:
    """Return the cost of 8 UEs, and of one UE for 8 times the duration, over 8 times the cost of one: 1 if linear."""
    ratios: dict[str, list[float]] = {"ues": [], "duration": []}
    goodput_bits(1, SPEED_MPS)  # compiles
    for repeat in range(repeats):
        eight = [f"ue{number}" for number in range(1, 9)]
        many_s = sum(seconds_of(goodput_bits, seconds, SPEED_MPS, ue) for ue in eight)
        one_s = seconds_of(goodput_bits, seconds, SPEED_MPS)
        ratios["ues"].append(many_s / one_s / 8)
        ratios["duration"].append(seconds_of(goodput_bits, 8 * seconds, SPEED_MPS) / one_s / 8)
        print(f"channel_cost: {repeat + 1} of {repeats}", file=sys.stderr)
    return [
        {
            "name": f"channel_cost_by_{what}",
            "value": round(8 * median(found), 2),
            "unit": "times the cost of one",
            "peer": "8 times one",
            "peer_value": 8.0,
            "ratio": round(median(found), 3),
        }
        for what, found in ratios.items()
    ]


def memory_row(seconds: int = SECONDS) -> Row:
    """Return the peak memory of a process that generates a channel, and of one that generates ten times as much."""
    short, long = (call_in_process(peak_mib, times * seconds) for times in (1, 10))
    print("channel_memory_growth: done", file=sys.stderr)
    return {
        "name": "channel_memory_growth",
        "value": round(long, 1),
        "unit": "MiB",
        "peer": "the same channel, a tenth as long",
        "peer_value": round(short, 1),
        "ratio": round(long / short, 3),
    }


def peak_mib(seconds: int) -> float:
    """Generate a channel chunk by chunk; return the peak memory of this process."""
    goodput_bits(seconds, SPEED_MPS)
    return peak_memory_mib()


def seconds_of(function: Callable[..., object], *arguments: object) -> float:
    """Return the processor time of a call, over all threads; other programs do not affect it."""
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start
