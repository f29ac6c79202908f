"""The figure of the link: block errors, spectral efficiency, HARQ, and outer loop."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.channel_figures import link_panels
from benchmarks.channel_figures.drawing import draw_curve, draw_points, letter, plain_decades
from benchmarks.channel_figures.points import Panel, SampleSizes
from results.figures.style import DASHES, INK, PAGE_IN, Look, looks, tidy

SIZE_IN = (5.0, PAGE_IN)
BLACK = Look((0.15, 0.15, 0.15), "-", "o")


def panels(sizes: SampleSizes) -> dict[str, Panel]:
    return link_panels.panels(sizes)


def draw(figure: Figure, shown: dict[str, Panel]) -> None:
    (errors, rates), (again, loop) = figure.subplots(2, 2)
    _errors(errors, shown["block errors"])
    _efficiency(rates, shown["spectral efficiency"])
    _residual(again, shown["errors after HARQ"])
    _loop(loop, shown["outer loop"])
    letter([errors, rates, again, loop])


def _errors(axes: Axes, panel: Panel) -> None:
    look = looks(list(panel.curves))
    for mcs, curve in panel.curves.items():
        width = 0.9 if mcs in panel.points else 0.4
        draw_curve(axes, curve, look[mcs]._replace(linestyle="-"), linewidth=width)
    named_db = -np.inf
    for mcs, points in panel.points.items():
        draw_points(axes, points, look[mcs]._replace(marker="o"))
        if points.x[0] > named_db + 1.2:
            axes.annotate(mcs, (points.x[0], 1.15), ha="center", va="bottom", fontsize=6.5, color=INK)
            named_db = points.x[0]
    axes.axhline(0.1, color=INK, linewidth=0.7, linestyle=DASHES[2])
    axes.set(title="Block errors by MCS, 5 MHz", xlabel="SINR (dB)", ylabel="Error rate")
    plain_decades(axes, "y")
    axes.set(ylim=(4e-3, 2), xlim=(-7, 29))
    tidy(axes)


def _efficiency(axes: Axes, panel: Panel) -> None:
    draw_curve(axes, panel.curves["Shannon"], BLACK, linewidth=1.4)
    axes.annotate("Shannon", (8.2, 3.1), ha="right", color=INK)
    for name, curve in panel.curves.items():
        if name.startswith("peak"):
            draw_curve(axes, curve, BLACK._replace(linestyle=DASHES[2]), linewidth=0.9)
            axes.annotate(f"TS 38.306, {name}", (-8.5, curve.y[0] + 0.06), fontsize=7, color=INK)
    for name, look in looks(list(panel.points)).items():
        draw_curve(axes, panel.curves[name], look._replace(linestyle="-"))
        draw_points(axes, panel.points[name], look, name)
    axes.set(title="Goodput of the adapted link", xlabel="SINR (dB)", ylabel="Bit/s per Hz of the channel")
    axes.set(ylim=(0, 7.2), xlim=(-9, 36))
    axes.legend(loc="lower right", handletextpad=0.2, labelspacing=0.2, borderaxespad=0.1)
    tidy(axes)


def _residual(axes: Axes, panel: Panel) -> None:
    for n, look in looks(list(panel.curves)).items():
        draw_curve(axes, panel.curves[n], look._replace(linestyle="-"))
        draw_points(axes, panel.points[n], look, "1 transmission" if n == "1" else f"{n} transmissions")
    axes.set(title="Errors left by HARQ, MCS 0", xlabel="SINR of a transmission (dB)", ylabel="Share of blocks")
    plain_decades(axes, "y")
    axes.set(ylim=(8e-4, 1.6), xlim=(-17.5, -4.7))
    axes.legend(loc="lower left", handletextpad=0.2, labelspacing=0.2, borderaxespad=0.1)
    tidy(axes)


def _loop(axes: Axes, panel: Panel) -> None:
    for target, look in looks(list(panel.curves)).items():
        draw_curve(axes, panel.curves[target], look._replace(linestyle="-"))
        draw_points(axes, panel.points[target], look, f"target {float(target):.0%}".replace("%", " %"))
    axes.set(title="Outer loop, TDL-C at 30 km/h", xlabel="First transmissions so far", ylabel="Share that failed")
    plain_decades(axes, "x", "y")
    axes.set_yticks([0.03, 0.1, 0.3], ["3 %", "10 %", "30 %"])
    axes.set(ylim=(0.015, 0.7))
    axes.legend(loc="lower right", handletextpad=0.2, labelspacing=0.2, borderaxespad=0.1, ncols=3, columnspacing=0.8)
    tidy(axes)
