"""The figure of ergodic capacity and outage, with combined branches."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import expn

from benchmarks.channel_figures.drawing import departures, draw_curve, draw_points, letter, plain_decades, shifted
from benchmarks.channel_figures.points import Curve, Panel, SampleSizes, of_counts, of_means
from emulator.core.arrays import Floats
from results.figures.style import DASHES, INK, PAGE_IN, Look, looks, tidy
from tests.emulator.channel.small_scale.fading_laws import LAWS, NAKAGAMI_M, RICE_K_DB, independent_powers

SIZE_IN = (2.9, PAGE_IN)
CASES = {
    "Rayleigh, 4 branches": ("rayleigh", 4),
    "TDL-C, 2 branches": ("tdl-c", 2),
    f"Rice, K = {RICE_K_DB:g} dB": ("rice", 1),
    f"Nakagami, m = {NAKAGAMI_M:g}": ("nakagami", 1),
    "TDL-C": ("tdl-c", 1),
}
SNR_DB = np.arange(-10.0, 31.0, 5.0)
MARGIN_DB = np.arange(-33.0, 6.1, 3.0)
LEAST_HITS = 5


def panels(sizes: SampleSizes) -> dict[str, Panel]:
    return {"ergodic capacity": ergodic(sizes.seeds), "outage": outage(sizes.seeds)}


def powers(name: str, branches: int, seeds: int) -> Floats:
    """Return independent gains of combined branches, of all seeds."""
    each = np.concatenate([independent_powers(name, seed) for seed in range(1, seeds + 1)])
    together: Floats = each[: len(each) // branches * branches].reshape(-1, branches).sum(axis=1)
    return together


def ergodic(seeds: int) -> Panel:
    fine_db = np.linspace(SNR_DB[0], SNR_DB[-1], 41)
    curves = {"no fading": Curve(fine_db, np.log2(1 + 10 ** (fine_db / 10)))}
    points = {}
    for label, (name, branches) in CASES.items():
        fine = np.array([capacity(name, branches, 10 ** (snr_db / 10)) for snr_db in fine_db])
        truth = fine[:: (len(fine_db) - 1) // (len(SNR_DB) - 1)]
        samples = np.log2(1 + 10 ** (SNR_DB / 10) * powers(name, branches, seeds)[:, None])
        curves[label], points[label] = Curve(fine_db, fine), of_means(SNR_DB, samples, truth)
    return Panel(curves, points)


def capacity(name: str, branches: int, snr: float) -> float:
    """Return the capacity: of Rayleigh fading by exponential integrals (Alouini, Goldsmith, IEEE Trans. Veh. Technol.
    48(4), 1999, eq. 40), otherwise by numerical integration over the distribution."""
    if LAWS[name].k or LAWS[name].m:
        return float(LAWS[name].power(branches).expect(lambda gain: np.log2(1 + snr * gain)))
    return float(np.exp(1 / snr) * sum(expn(order + 1, 1 / snr) for order in range(branches)) / np.log(2))


def outage(seeds: int) -> Panel:
    """Return the share of places whose gain is below one branch's mean by a margin."""
    curves, points = {}, {}
    fine_db = np.linspace(MARGIN_DB[0], MARGIN_DB[-1], 200)
    for label, (name, branches) in CASES.items():
        law, samples = LAWS[name].power(branches), powers(name, branches, seeds)
        curves[label] = Curve(fine_db, law.cdf(10 ** (fine_db / 10)))
        hits = (samples < 10 ** (MARGIN_DB[:, None] / 10)).sum(axis=1).astype(float)
        truth = law.cdf(10 ** (MARGIN_DB / 10))
        kept = truth * len(samples) >= LEAST_HITS
        points[label] = of_counts(MARGIN_DB[kept], hits[kept], np.full(kept.sum(), float(len(samples))), truth[kept])
    return Panel(curves, points)


def draw(figure: Figure, shown: dict[str, Panel]) -> None:
    left, middle, right = figure.subplots(1, 3)
    _draw_capacity(left, middle, shown["ergodic capacity"])
    _draw_outage(right, shown["outage"])
    letter([left, middle, right])
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside upper center", ncols=6, handletextpad=0.4, columnspacing=1.0
    )


def _draw_capacity(axes: Axes, rest: Axes, panel: Panel) -> None:
    draw_curve(axes, panel.curves["no fading"], Look((0.15, 0.15, 0.15), DASHES[2], "o"), "no fading")
    look = looks(list(CASES))
    for number, label in enumerate(CASES):
        draw_curve(axes, panel.curves[label], look[label]._replace(linestyle="-"))
        points = panel.points[label]
        draw_points(axes, points, look[label], label)
        draw_points(rest, shifted(departures(points, 1e-3), 0.7 * (number - 2)), look[label])
    rest.axhline(0, color=INK, linewidth=0.8)
    axes.set(title="Ergodic capacity", xlabel="Mean SNR (dB)", ylabel="Capacity (bit/s/Hz)", ylim=(0, None))
    rest.set(title="Found less closed form", xlabel="Mean SNR (dB)", ylabel="Difference (10⁻³ bit/s/Hz)")
    tidy(axes)
    tidy(rest)


def _draw_outage(axes: Axes, panel: Panel) -> None:
    look = looks(list(CASES))
    for label in CASES:
        draw_curve(axes, panel.curves[label], look[label]._replace(linestyle="-"))
        draw_points(axes, panel.points[label], look[label])
    plain_decades(axes, "y")
    axes.set(title="Outage", xlabel="Threshold over the mean (dB)", ylabel="Probability", ylim=(2e-4, 1.5))
    tidy(axes)
