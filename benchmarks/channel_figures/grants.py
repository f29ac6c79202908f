"""The figure of grants: goodput with the rank, and with the width of a grant, that the air interface chooses."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.channel_figures.drawing import draw_curve, draw_points, letter, plain_decades
from benchmarks.channel_figures.link_panels import two_schemes
from benchmarks.channel_figures.points import Curve, Panel, Points, SampleSizes, of_means
from emulator.channel.air.blocks import all_widths
from emulator.channel.air.expected import ONE_WAY
from emulator.channel.air.full_buffer import AirInterface, initial_air_state
from emulator.channel.air.layers import layer_share
from emulator.channel.air.slot import UNLIMITED_PRBS, Received
from emulator.channel.duplex import symbols
from emulator.channel.numerology import group_prbs, slot_ns
from emulator.channel.radio import Adaptation, Fading, Harq
from emulator.core.arrays import Floats
from emulator.core.randomness import draw_key
from results.figures.style import PAGE_IN, looks, tidy

SIZE_IN = (2.6, PAGE_IN)
GENTLE = Adaptation(olla_up_db=0.05)
ANTENNAS = 4
RANK_DB, WIDTH_DB = np.arange(-5.0, 35.1, 2.5), np.arange(-16.0, 6.1, 2.0)
RUNS = 4  # with independent draws
SETTLING_SLOTS = 2_000


def panels(sizes: SampleSizes) -> dict[str, Panel]:
    return {"rank": ranks(sizes.slots // 4), "width of a grant": widths(sizes.slots // 4)}


def ranks(slots: int) -> Panel:
    """Return the goodput by the SINR of one layer with all antennas: of each rank, and that chosen."""
    fine_db = np.arange(RANK_DB[0], RANK_DB[-1] + 0.1, 0.25)
    shares = [layer_share(r, Fading.correlation) for r in range(1, ANTENNAS + 1)]
    gains = np.arange(ANTENNAS, 0, -1) / ANTENNAS * shares

    def of_rank(rank: int, sinr_db: Floats) -> Floats:
        return rank * two_schemes(sinr_db + 10 * np.log10(gains[rank - 1]), GENTLE)

    curves = {f"rank {r}": Curve(fine_db, of_rank(r, fine_db)) for r in range(1, ANTENNAS + 1)}
    best = np.max([of_rank(r, RANK_DB) for r in range(1, ANTENNAS + 1)], axis=0)
    return Panel(curves, {"chosen": _chosen(RANK_DB, gains, UNLIMITED_PRBS, slots, best)}, exact=False)


def widths(slots: int) -> Panel:
    """Return the goodput of a UE whose power suffices for one block, by its SINR with all blocks granted: in
    grants of 1, 4 and all groups, and that chosen."""
    fine_db = np.arange(WIDTH_DB[0], WIDTH_DB[-1] + 0.1, 0.25)
    sizes = group_prbs(ONE_WAY)

    def of_width(granted_prbs: int, sinr_db: Floats) -> Floats:
        share = granted_prbs / float(sizes.sum())
        return share * two_schemes(sinr_db - 10 * np.log10(share), GENTLE)

    curves = {
        f"{n} of {len(sizes)} groups": Curve(fine_db, of_width(int(sizes[:n].sum()), fine_db))
        for n in (1, 4, len(sizes))
    }
    best = np.max([of_width(n, WIDTH_DB) for n in all_widths(ONE_WAY)], axis=0)
    return Panel(curves, {"chosen": _chosen(WIDTH_DB, np.ones(1), 1.0, slots, best)}, exact=False)


def _chosen(sinr_db: Floats, gains: Floats, limit_prbs: float, slots: int, best: Floats) -> Points:
    found = [[_goodput(each, gains, limit_prbs, slots, seed) for each in sinr_db.tolist()] for seed in range(RUNS)]
    return of_means(sinr_db, np.array(found), best)


def _goodput(sinr_db: float, gains: Floats, limit_prbs: float, slots: int, seed: int) -> float:
    """Return the goodput in bit/s/Hz at a constant SINR, times the gain of each rank, shape (ranks,)."""
    count = SETTLING_SLOTS + slots
    of_groups = np.full((count, len(gains), len(group_prbs(ONE_WAY))), 10 ** (sinr_db / 10)) * gains[:, None]
    served = np.resize(symbols(ONE_WAY, "downlink"), count)
    key = draw_key(seed, "ue", "blocks")
    air = AirInterface(initial_air_state(ONE_WAY, GENTLE, Harq(), key, len(gains), all_widths(ONE_WAY)))
    rows = air.feed(Received(of_groups, np.full(count, limit_prbs), served))
    bits = (rows["capacity_bits"] * ~rows["block_lost"])[SETTLING_SLOTS:]
    return float(bits.mean() / (slot_ns(ONE_WAY.mu) * 1e-9 * ONE_WAY.bandwidth_hz))


def draw(figure: Figure, shown: dict[str, Panel]) -> None:
    rank, width = figure.subplots(1, 2)
    _goodputs(rank, shown["rank"], "Rank, four antennas", "SINR of one layer (dB)")
    _goodputs(width, shown["width of a grant"], "Grant of a power-limited UE", "SINR with all groups granted (dB)")
    plain_decades(width, "y")
    width.set(ylim=(5e-3, 4))
    letter([rank, width])


def _goodputs(axes: Axes, panel: Panel, title: str, of_x: str) -> None:
    for name, look in looks([*panel.curves, *panel.points]).items():
        if name in panel.curves:
            draw_curve(axes, panel.curves[name], look, name)
        else:
            draw_points(axes, panel.points[name], look._replace(marker="o"), name)
    axes.set(title=title, xlabel=of_x, ylabel="Bit/s per Hz of the channel")
    axes.legend(handletextpad=0.4, labelspacing=0.2, borderaxespad=0.1)
    tidy(axes)
