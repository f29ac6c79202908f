"""The figure of small-scale fading: envelope, correlation, Doppler spectrum, fades, frequency correlation, taps."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from benchmarks.channel_figures import fading_panels
from benchmarks.channel_figures.drawing import draw_curve, draw_points, letter, plain_decades
from benchmarks.channel_figures.points import Panel, SampleSizes
from results.figures.style import INK, PAGE_IN, Look, looks, tidy
from tests.emulator.channel.small_scale.fading_laws import NAKAGAMI_M, RICE_K_DB

SIZE_IN = (6.7, PAGE_IN)
LABELS = {
    "rayleigh": "Rayleigh",
    "tdl-a": "TDL-A",
    "tdl-b": "TDL-B",
    "tdl-c": "TDL-C",
    "nakagami": f"Nakagami, m = {NAKAGAMI_M:g}",
    "rice": f"Rice, K = {RICE_K_DB:g} dB",
    "tdl-d": "TDL-D",
    "tdl-e": "TDL-E",
}
LOOKS = looks(list(LABELS))
OF_LAW = {"Rayleigh": "rayleigh", "Rice": "rice", "TDL-D, -E": "tdl-d", "Nakagami": "nakagami"}


def panels(sizes: SampleSizes) -> dict[str, Panel]:
    return {
        "envelope": fading_panels.envelope(sizes.seeds),
        "autocorrelation": fading_panels.autocorrelation(3 * sizes.walks),
        "Doppler spectrum": fading_panels.spectrum(3 * sizes.walks),
        **fading_panels.fades(sizes.walks),
        "frequency correlation": fading_panels.over_frequency(sizes.walks),
        **fading_panels.delay_profiles(sizes.walks),
    }


def draw(figure: Figure, shown: dict[str, Panel]) -> None:
    grid = figure.add_gridspec(3, 1, height_ratios=(1.2, 1.2, 0.8))
    top, middle, bottom = (_row(figure, grid[row], count) for row, count in enumerate((3, 3, 5)))
    _envelope(top[0], shown["envelope"])
    _autocorrelation(top[1], shown["autocorrelation"])
    _spectrum(top[2], shown["Doppler spectrum"])
    _crossings(middle[0], shown["level crossings"])
    _lengths(middle[1], shown["lengths of fades"])
    _frequency(middle[2], shown["frequency correlation"])
    for axes, name in zip(bottom, fading_panels.LINES, strict=True):
        _taps(axes, shown[f"taps of {name.upper()}"], name)
    bottom[0].set_ylabel("Power (dB)")
    for axes in bottom[1:]:
        axes.tick_params(labelleft=False)
    letter([*top, *middle, *bottom])
    known = dict(zip(*reversed(top[0].get_legend_handles_labels()), strict=True))
    labels = [label for label in LABELS.values() if label in known]
    figure.legend(
        [known[label] for label in labels],
        labels,
        loc="outside upper center",
        ncols=8,
        handletextpad=0.1,
        columnspacing=0.7,
    )


def _row(figure: Figure, place: SubplotSpec, count: int) -> list[Axes]:
    columns = place.subgridspec(1, count)
    return [figure.add_subplot(columns[0, column]) for column in range(count)]


def _line(name: str) -> Look:
    return LOOKS[name]._replace(linestyle="-")


def _envelope(axes: Axes, panel: Panel) -> None:
    for law, curve in panel.curves.items():
        draw_curve(axes, curve, _line(OF_LAW[law]))
    for name, points in panel.points.items():
        draw_points(axes, points, LOOKS[name], LABELS[name])
    axes.set(title="Power of one branch", xlabel="Level over the mean (dB)", ylabel="Share below")
    plain_decades(axes, "y")
    axes.set(ylim=(3e-4, 1.6), xlim=(-32, 7))
    tidy(axes)


def _lines_and_points(axes: Axes, panel: Panel) -> None:
    for name, curve in panel.curves.items():
        draw_curve(axes, curve, _line(name))
    for name, points in panel.points.items():
        draw_points(axes, points, LOOKS[name])


def _autocorrelation(axes: Axes, panel: Panel) -> None:
    _lines_and_points(axes, panel)
    axes.set(
        title="Autocorrelation", xlabel="Way (wavelengths)", ylabel="Real part (Nakagami: power)", ylim=(-0.9, 1.1)
    )
    tidy(axes)


def _spectrum(axes: Axes, panel: Panel) -> None:
    for name, curve in panel.curves.items():
        draw_curve(axes, curve, _line(name))
        draw_points(axes, panel.points[name], LOOKS[name])
    axes.set(title="Doppler spectrum", xlabel="Shift over the largest", ylabel="Density (dB)", ylim=(-24, 24))
    tidy(axes)


def _crossings(axes: Axes, panel: Panel) -> None:
    _by_level(axes, panel)
    axes.set(title="Level crossings", ylabel="Upwards, a wavelength", ylim=(5e-3, 3))


def _lengths(axes: Axes, panel: Panel) -> None:
    _by_level(axes, panel)
    axes.set(title="Length of fades", ylabel="Mean (wavelengths)", ylim=(0.01, 20))


def _by_level(axes: Axes, panel: Panel) -> None:
    _lines_and_points(axes, panel)
    axes.set(xlabel="Level over the mean (dB)")
    plain_decades(axes, "y")
    tidy(axes)


def _frequency(axes: Axes, panel: Panel) -> None:
    for name, curve in panel.curves.items():
        draw_curve(axes, curve, _line(name))
        draw_points(axes, panel.points[name], LOOKS[name])
    axes.set(title="Frequency correlation", xlabel="Apart × RMS delay spread", ylabel="Magnitude", ylim=(-0.03, 1.05))
    tidy(axes)


def _taps(axes: Axes, panel: Panel, name: str) -> None:
    points = panel.points[name]
    axes.vlines(points.x, -45, points.truth, color=INK, linewidth=0.7)
    axes.hlines(points.truth, points.x - 0.12, points.x + 0.12, color=INK, linewidth=0.9)
    draw_points(axes, points, LOOKS[name])
    axes.set(title=LABELS[name], xlabel="Delay / spread", ylim=(-40, 3))
    tidy(axes)
