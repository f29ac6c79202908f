"""Draw a page about a trace: losses, SINR, MCS, rate and block errors over time, and their distributions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from emulator.core.arrays import Floats
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.trace import Trace
from results.figures.channel import LINE, draw_rate, rates_mbps, window_ns
from results.figures.style import DASHES, INK, page, require_drawable, save, tidy

LIGHT = "0.45"
BAND_PERCENTILES = (5.0, 95.0)  # of the slots of a window
SINR_COLUMNS = ("sinr_db", "snr_db")
ROW_IN = 1.3


class Windows:
    """The slots of a trace in about 300 windows of equal length; a shorter rest at the end is left out."""

    def __init__(self, trace: Trace) -> None:
        self.length_ns = window_ns(trace, trace.period_ns)
        starts_ns = np.arange(0, max(trace.period_ns - self.length_ns, 0) + 1, self.length_ns)
        self.edges_s = np.append(starts_ns, starts_ns[-1] + self.length_ns) / NS_PER_S
        self._firsts = (starts_ns // trace.slot_ns).tolist()
        self._stops = [*self._firsts[1:], min(-(-int(self.edges_s[-1] * NS_PER_S) // trace.slot_ns), len(trace))]

    def of(self, values: npt.NDArray[Any], statistic: Callable[[Floats], Floats]) -> Floats:
        """Return `statistic` of each window's finite values, shape (windows, ...); NaN if it has none."""
        numbers = np.asarray(values, dtype=np.float64)
        nothing = np.full_like(statistic(np.zeros(1)), np.nan)
        parts = (numbers[first:stop] for first, stop in zip(self._firsts, self._stops, strict=True))
        kept = (part[np.isfinite(part)] for part in parts)
        return np.array([statistic(part) if len(part) else nothing for part in kept])


Panel = Callable[[Axes, Axes, Trace, Windows], None]


def plot_trace(trace: Trace, path: Path) -> Path:
    """Draw a row for each quantity in the trace, at least its rate. Raises ValueError if `path` does not end in .pdf,
    .png or .svg, or its folder does not exist."""
    require_drawable(path)
    panels = panels_of(trace)
    windows = Windows(trace)
    with page(0.75 + ROW_IN * len(panels)) as figure:
        grid = figure.subplots(len(panels), 2, width_ratios=(2.9, 1), squeeze=False)
        for (left, right), panel in zip(grid, panels, strict=True):
            panel(left, right, trace, windows)
            left.set_xlim(windows.edges_s[0], windows.edges_s[-1])
            left.sharex(grid[-1, 0])
            left.tick_params(labelbottom=left is grid[-1, 0])
            right.set(ylabel="Share below", ylim=(0, 1.02))
            tidy(left)
            tidy(right)
        figure.align_ylabels(grid[:, 0])
        grid[-1, 0].set_xlabel(f"Time (s), in windows of {windows.length_ns / NS_PER_MS:g} ms")
        return save(figure, path)


def panels_of(trace: Trace) -> list[Panel]:
    """Return the rows of the page, from the top."""
    columns = trace.columns
    wanted: tuple[tuple[bool, Panel], ...] = (
        ("path_loss_db" in columns, _losses),
        ("path_loss_db" not in columns and "rsrp_dbm" in columns, _rsrp),
        (_sinr_column(trace) is not None, _sinr),
        ("mcs" in columns, _mcs),
        (True, _rate),
        ("bler" in columns, _bler),
    )
    return [panel for there, panel in wanted if there]


def _sinr_column(trace: Trace) -> str | None:
    return next((name for name in SINR_COLUMNS if name in trace.columns), None)


def _losses(left: Axes, right: Axes, trace: Trace, windows: Windows) -> None:
    alone = np.asarray(trace.columns["path_loss_db"], dtype=np.float64)
    shadowed = alone + trace.columns["shadowing_db"] if "shadowing_db" in trace.columns else alone
    left.stairs(windows.of(shadowed, np.mean), windows.edges_s, baseline=None, color=LINE, label="with shadowing")
    left.stairs(
        windows.of(alone, np.mean), windows.edges_s, baseline=None, color=LIGHT, ls=DASHES[1], lw=1, label="path loss"
    )
    left.set_ylabel("Loss (dB)")
    if "los" in trace.columns:
        _shade(left, windows, windows.of(trace.columns["los"], np.mean) < 0.5)
    if "serving" in trace.columns:
        _mark_sites(left, trace.columns["serving"], trace.slot_ns)
    left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0)
    _distribution(right, shadowed, "Loss (dB)")


def _shade(axes: Axes, windows: Windows, hidden: npt.NDArray[np.bool_]) -> None:
    """Shade windows without line of sight."""
    turns = np.flatnonzero(np.diff(hidden, prepend=False, append=False)).reshape(-1, 2)
    for number, (start, stop) in enumerate(turns):
        label = "no line of sight" if number == 0 else None
        axes.axvspan(windows.edges_s[start], windows.edges_s[stop], color="0.88", lw=0, zorder=0, label=label)


def _mark_sites(axes: Axes, serving: npt.NDArray[Any], slot_ns: int) -> None:
    """Mark each handover with a line and the number of the new site."""
    turns = np.flatnonzero(np.diff(serving)) + 1
    if len(turns) == 0:
        return
    for turn in (0, *turns.tolist()):
        at_s = turn * slot_ns / NS_PER_S
        axes.axvline(at_s, color=INK, lw=0.7, ls=DASHES[2])
        axes.annotate(
            f"site {serving[turn]}",
            (at_s, 0.02),
            xycoords=("data", "axes fraction"),
            xytext=(2, 0),
            textcoords="offset points",
            size=6.5,
            color=INK,
        )


def _rsrp(left: Axes, right: Axes, trace: Trace, windows: Windows) -> None:
    _band(left, windows, trace.columns["rsrp_dbm"], "RSRP (dBm)")
    _distribution(right, trace.columns["rsrp_dbm"], "RSRP (dBm)")


def _sinr(left: Axes, right: Axes, trace: Trace, windows: Windows) -> None:
    name = _sinr_column(trace) or ""
    label = f"{name.removesuffix('_db').upper()} (dB)"
    _band(left, windows, trace.columns[name], label)
    _distribution(right, trace.columns[name], label)


def _mcs(left: Axes, right: Axes, trace: Trace, windows: Windows) -> None:
    index = np.asarray(trace.columns["mcs"], dtype=np.float64)
    blocks = np.where(index >= 0, index, np.nan)  # -1: no new block
    _band(left, windows, blocks, "MCS")
    _distribution(right, blocks, "MCS of new blocks")


def _rate(left: Axes, right: Axes, trace: Trace, windows: Windows) -> None:
    draw_rate(left, trace, trace.period_ns)
    left.set_xlabel("")
    _, rates = rates_mbps(trace, trace.period_ns, windows.length_ns)
    _distribution(right, rates, "Rate (Mbit/s)")


def _bler(left: Axes, right: Axes, trace: Trace, windows: Windows) -> None:
    expected = np.asarray(trace.columns["bler"], dtype=np.float64)
    shares = windows.of(expected, np.mean)
    left.stairs(shares, windows.edges_s, baseline=None, color=LINE)
    target = bler_target(trace)
    if target is not None:
        left.axhline(target, color=LIGHT, ls=DASHES[1], lw=1, label="target of the outer loop")
    lost = windows.of(trace.columns["block_lost"], np.sum) if "block_lost" in trace.columns else np.zeros_like(shares)
    where = (windows.edges_s[:-1] + windows.edges_s[1:])[lost > 0] / 2
    if len(where):
        label = f"{int(np.nansum(lost))} blocks lost after all transmissions"
        left.plot(where, np.zeros_like(where), "x", color=INK, ms=3.5, mew=0.8, clip_on=False, label=label)
    if target is not None or len(where):
        left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
    left.set(ylabel="BLER of first\ntransmissions", ylim=(0, None))
    _distribution(right, shares, "BLER of windows")


def bler_target(trace: Trace) -> float | None:
    """Return the BLER target of the outer loop; None if the trace does not contain it."""
    radio = trace.metadata.get("radio")
    adaptation = radio.get("adaptation") if isinstance(radio, dict) else None
    return adaptation.get("bler_target") if isinstance(adaptation, dict) else None


def _band(axes: Axes, windows: Windows, values: npt.NDArray[Any], label: str) -> None:
    """Draw the median of each window, and the band between the 5th and 95th percentile of its slots."""
    low, middle, high = windows.of(
        values, lambda part: np.percentile(part, [BAND_PERCENTILES[0], 50.0, BAND_PERCENTILES[1]])
    ).T
    axes.stairs(high, windows.edges_s, baseline=low, fill=True, color=LINE, alpha=0.22, lw=0)
    axes.stairs(middle, windows.edges_s, baseline=None, color=LINE, lw=1.1)
    axes.set_ylabel(f"{label}\nmedian, 5-95 %")


def _distribution(axes: Axes, values: npt.NDArray[Any], label: str) -> None:
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if len(numbers):
        levels = np.quantile(numbers, np.linspace(0, 1, 401)) if len(numbers) > 401 else np.sort(numbers)
        axes.step(levels, np.linspace(0, 1, len(levels)), where="post", color=LINE)
        mean = float(numbers.mean())
        axes.axvline(mean, color=INK, lw=0.8, ls=(0, (4, 2)))
        on_the_right = mean <= (levels[0] + levels[-1]) / 2
        axes.annotate(
            f"mean {mean:.3g}",
            (mean, 0.04 if on_the_right else 0.9),  # beside the curve, not on it
            xytext=(3 if on_the_right else -3, 0),
            textcoords="offset points",
            ha="left" if on_the_right else "right",
            size=7,
            color=INK,
        )
    axes.set_xlabel(label)
