"""Draws panels: closed forms as lines, simulated points as markers with intervals."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.channel_figures.points import Curve, Points
from results.figures.style import Look

POINT: dict[str, Any] = {
    "markersize": 3.4,
    "markeredgewidth": 0.8,
    "elinewidth": 0.8,
    "capsize": 0,
    "linestyle": "none",
}


def draw_curve(axes: Axes, curve: Curve, look: Look, label: str = "", **more: Any) -> None:
    """Draw a line. Without a label it is not in the legend."""
    style = {"color": look.color, "linestyle": look.linestyle, "linewidth": 1.0, "zorder": 2} | more
    axes.plot(curve.x, curve.y, label=label or "_", **style)


def draw_points(axes: Axes, points: Points, look: Look, label: str = "", filled: bool = False) -> None:
    """Draw markers with bars from the low to the high end of the interval."""
    bars = np.maximum([points.found - points.low, points.high - points.found], 0)
    axes.errorbar(
        points.x,
        points.found,
        yerr=bars,
        marker=look.marker,
        color=look.color,
        markerfacecolor=look.color if filled else "white",
        label=label or "_",
        zorder=3,
        **POINT,
    )


def shifted(points: Points, dx: float) -> Points:
    """Move points in x, so that overlapping markers are separate."""
    return points._replace(x=points.x + dx)


def departures(points: Points, unit: float = 1.0) -> Points:
    """Return the differences between simulation and closed form in a unit."""
    found, low, high = ((each - points.truth) / unit for each in points[1:4])
    return Points(points.x, found, low, high, points.truth)


def plain_decades(axes: Axes, *names: str) -> None:
    """Make an axis (`x`, `y`) logarithmic, with labels 0.1, 1, 10 ..., and 10⁻² and so on below."""
    for name in names:
        getattr(axes, f"set_{name}scale")("log")
        axis = axes.xaxis if name == "x" else axes.yaxis
        axis.set_major_formatter(FuncFormatter(lambda value, _: decade(value)))
        axis.set_minor_formatter(NullFormatter())


def decade(value: float) -> str:
    """Format a power of ten."""
    if 0.05 < value < 5e4:
        return f"{value:,.0f}".replace(",", " ") if value > 1 else f"{value:g}"
    return "10" + f"{round(np.log10(value))}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def letter(panels: Iterable[Axes]) -> None:
    """Put (a), (b) ... before the titles of the panels."""
    for number, axes in enumerate(panels):
        axes.set_title(f"({chr(ord('a') + number)}) {axes.get_title()}", loc="left")
        axes.set_title("")
