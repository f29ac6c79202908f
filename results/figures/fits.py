"""Draw a recording beside a trace that was drawn from its model."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from emulator.core.arrays import Floats
from emulator.core.units import NS_PER_S
from emulator.trace.fitted import RateModel
from emulator.trace.fitted.autocorrelation import ONE_OVER_E, autocorrelation, crossing_samples
from emulator.trace.fitted.drawing import draw_order
from emulator.trace.fitted.variation import window_means
from results.figures.style import INK, page, require_drawable, save, tidy

RECORDED, DRAWN = (sns.color_palette("viridis", 100)[shade] for shade in (15, 65))
DASHED = (0, (4, 1.5))
DRAWS = 16  # for the band
BAND_PERCENTILES = (5, 95)
SHOWN_CROSSINGS = 5  # lags of the autocorrelation, in times to 1/e
SHARES = np.linspace(0, 1, 201)


def side_by_side(model: RateModel, seed: int, entity: str, path: Path) -> Path:
    """Draw the recorded rates beside a draw of the same length; below, the distributions of means over the model's
    horizon and the autocorrelations of both, with the band of 16 draws.

    Raises ValueError if `path` does not end in .pdf, .png or .svg, or its folder does not exist."""
    require_drawable(path)
    recorded = model.rates_bps() / 1e6
    draws = [recorded[draw_order(model, len(recorded), seed, name)] for name in names(entity)]
    sample_s = model.sample_ns / NS_PER_S
    with page(3.7) as figure:
        grid = figure.subplots(2, 2, height_ratios=(1, 1.15))
        for axes, rates, title, color in (
            (grid[0, 0], recorded, "recorded", RECORDED),
            (grid[0, 1], draws[0], f"drawn, seed {seed}", DRAWN),
        ):
            draw_series(axes, rates, sample_s, color)
            axes.set_title(title, loc="left")
        grid[0, 0].sharey(grid[0, 1])
        grid[0, 0].set(ylabel="Rate (Mbit/s)", ylim=(0, 1.05 * max(recorded.max(), draws[0].max())))
        draw_distributions(grid[1, 0], recorded, draws, model.horizon_ns // model.sample_ns, sample_s)
        draw_autocorrelations(grid[1, 1], recorded, draws, sample_s)
        return save(figure, path)


def names(entity: str) -> Iterable[str]:
    """Return the entities of the draws: the given one first."""
    return (entity, *(f"{entity}, draw {number}" for number in range(2, DRAWS + 1)))


def draw_series(axes: Axes, rates_mbps: Floats, sample_s: float, color: tuple[float, float, float]) -> None:
    """Draw rates over time."""
    edges_s = np.arange(len(rates_mbps) + 1) * sample_s
    axes.stairs(rates_mbps, edges_s, color=color, linewidth=0.8)
    axes.set(xlabel="Time (s)", xlim=(0, edges_s[-1]))
    tidy(axes)


def draw_distributions(axes: Axes, recorded: Floats, draws: list[Floats], window: int, sample_s: float) -> None:
    """Draw both distributions of means over `window` samples, and the band of the draws."""
    means = [window_means(rates, window) for rates in draws]
    quantiles = np.quantile(means, SHARES, axis=1)
    low, high = np.percentile(quantiles, BAND_PERCENTILES, axis=1)
    axes.fill_betweenx(SHARES, low, high, color=DRAWN, alpha=0.3, linewidth=0)
    axes.ecdf(window_means(recorded, window), color=RECORDED, label="recorded")
    axes.ecdf(means[0], color=DRAWN, linestyle=DASHED, label="drawn")
    axes.set(
        xlabel=f"Mean over {window * sample_s:g} s (Mbit/s)",
        ylabel="Share of windows below",
        ylim=(0, 1.02),
        xlim=(0, None),
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend(loc="lower right")
    tidy(axes)


def draw_autocorrelations(axes: Axes, recorded: Floats, draws: list[Floats], sample_s: float) -> None:
    """Draw both autocorrelations, and the band of the draws."""
    shown, drawn = autocorrelation(recorded), np.array([autocorrelation(draw) for draw in draws])
    crossing = crossing_samples(shown)
    stop = min(max(round(SHOWN_CROSSINGS * crossing), 10), len(shown) // 2) + 1
    lags_s = np.arange(stop) * sample_s
    low, high = np.percentile(drawn[:, :stop], BAND_PERCENTILES, axis=0)
    axes.fill_between(lags_s, low, high, color=DRAWN, alpha=0.3, linewidth=0, label=f"5–95 % of {len(draws)} draws")
    axes.plot(lags_s, shown[:stop], color=RECORDED, label=f"recorded: {crossing * sample_s:.3g} s to 1/e")
    own = crossing_samples(drawn[0])
    axes.plot(lags_s, drawn[0, :stop], color=DRAWN, linestyle=DASHED, label=f"drawn: {own * sample_s:.3g} s")
    axes.axhline(ONE_OVER_E, color=INK, linewidth=0.7, linestyle=(0, (1, 1.5)))
    at_edge: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right"}
    axes.annotate("1/e", (1, ONE_OVER_E), (-2, 2), size=7, **at_edge)
    least = min(low.min(), shown[:stop].min(), 0) - 0.05
    axes.set(xlabel="Lag (s)", ylabel="Autocorrelation", xlim=(0, lags_s[-1]), ylim=(least, 1.02))
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[1:] + handles[:1], labels[1:] + labels[:1], loc="upper right")
    tidy(axes)
