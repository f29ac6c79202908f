"""The figure of path loss, line-of-sight probability, and shadowing."""

from typing import NamedTuple, get_args

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from benchmarks.channel_figures.drawing import departures, draw_curve, draw_points, letter, plain_decades
from benchmarks.channel_figures.points import TAIL, Curve, Panel, Points, SampleSizes, of_counts, of_means
from emulator.channel.large_scale.environment import environment_parameters
from emulator.channel.large_scale.path_loss import Geometry, los_probability, path_loss_db
from emulator.channel.large_scale.propagation import propagate
from emulator.channel.large_scale.random_field import field_values, rough_waves
from emulator.channel.large_scale.track import static
from emulator.channel.radio import Base, Environment, Radio
from emulator.core.arrays import Floats
from emulator.core.randomness import generator
from results.figures.style import DASHES, INK, PAGE_IN, looks, tidy

SIZE_IN = (5.3, PAGE_IN)
ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)
OUTDOORS, INDOORS = ENVIRONMENTS[:3], ENVIRONMENTS[3:]
LABELS = ["UMi", "UMa", "RMa", "InH-mixed", "InH-open", "InF-SL", "InF-DL", "InF-SH", "InF-DH"]
NAMES = dict(zip(ENVIRONMENTS, LABELS, strict=True))
REACH_M = {name: (10.0, 3000.0) if name in OUTDOORS else (2.0, 300.0) for name in ENVIRONMENTS}
PLACES = 9
MIN_SITES = 30  # in or out of line of sight, for a mean
LAGS = np.linspace(0.0, 3.0, 13)  # in correlation distances
CORRELATED = {"InF, 10 m": 10.0, "UMa out of sight, 50 m": 50.0, "RMa out of sight, 120 m": 120.0}


class Survey(NamedTuple):
    """Sites at several distances from a place, each an independent draw: distances, shape (distances,); path loss with
    shadowing, shadowing, and the weight of line of sight, shape (distances, sites)."""

    distances_m: Floats
    loss_db: Floats
    shadowing_db: Floats
    sight: Floats


def survey(environment: Environment, sites: int) -> Survey:
    distances_m = np.geomspace(*REACH_M[environment], PLACES)
    angles = np.arange(sites) * 2 * np.pi / sites
    x, y = (np.outer(distances_m, turn).ravel().tolist() for turn in (np.cos(angles), np.sin(angles)))
    sites_m = tuple(zip(x, y, strict=True))
    radio = Radio(base=Base(environment=environment, sites_m=sites_m, site_correlation=0.0, sight_correlation=0.0))
    found = propagate(radio, static(0.0, 0.0), 1, ENVIRONMENTS.index(environment), "ue")
    shape = (PLACES, sites)
    loss_db = (found.path_loss_db + found.shadowing_db).reshape(shape)
    return Survey(distances_m, loss_db, found.shadowing_db.reshape(shape), found.sight.reshape(shape))


def panels(sizes: SampleSizes) -> dict[str, Panel]:
    surveys = {name: survey(name, sizes.sites) for name in ENVIRONMENTS}
    found = {
        "path loss outdoors": path_loss({name: surveys[name] for name in OUTDOORS}),
        "path loss indoors": path_loss({name: surveys[name] for name in INDOORS}),
        "shadowing over distance": shadowing_correlation(sizes.fields),
        "line of sight outdoors": line_of_sight({name: surveys[name] for name in OUTDOORS}),
        "line of sight indoors": line_of_sight({name: surveys[name] for name in INDOORS}),
        "spread of shadowing": shadowing_spread(surveys),
    }
    return found


def path_loss(surveys: dict[Environment, Survey]) -> Panel:
    """Return mean path losses with shadowing over the sites in, and out of, line of sight, not those between."""
    curves, points = {}, {}
    for name, seen in surveys.items():
        fine_m = np.geomspace(*REACH_M[name], 200)
        for state, los in (("los", True), ("nlos", False)):
            curves[f"{name} {state}"] = Curve(fine_m, formula_db(name, fine_m, los))
            points[f"{name} {state}"] = mean_losses(name, seen, los)
    return Panel(curves, points)


def mean_losses(environment: Environment, seen: Survey, los: bool) -> Points:
    """Return the means at distances with at least `MIN_SITES` sites in this state."""
    chosen = seen.sight == los
    rows = []
    for place in np.flatnonzero(chosen.sum(axis=1) >= MIN_SITES):
        at_m = seen.distances_m[[place]]
        rows.append(of_means(at_m, seen.loss_db[place, chosen[place], None], formula_db(environment, at_m, los)))
    return Points(*np.array(rows, dtype=np.float64).reshape(-1, len(Points._fields)).T)


def formula_db(environment: Environment, distance_m: Floats, los: bool) -> Floats:
    return path_loss_db(environment, distance_m, geometry(environment), np.full(len(distance_m), los))


def geometry(environment: Environment) -> Geometry:
    radio = Radio()
    return Geometry(environment_parameters(environment).base_height_m, radio.ue.height_m, radio.carrier.carrier_hz)


def line_of_sight(surveys: dict[Environment, Survey]) -> Panel:
    """Return the share of sites in line of sight."""
    curves: dict[str, Curve] = {}
    points: dict[str, Points] = {}
    for name, seen in surveys.items():
        fine_m = np.geomspace(*REACH_M[name], 400)
        curves[name] = Curve(fine_m, los_probability(name, fine_m, geometry(name)))
        trials = np.full(PLACES, float(seen.sight.shape[1]))
        truth = los_probability(name, seen.distances_m, geometry(name))
        points[name] = of_counts(seen.distances_m, (seen.sight >= 0.5).sum(axis=1).astype(float), trials, truth)
    return Panel(curves, points)


def shadowing_correlation(fields: int) -> Panel:
    """Return mean products of a field's values at a random place and at lags from it, one place per field."""
    curves, points = {}, {}
    for number, (name, correlation_m) in enumerate(CORRELATED.items()):
        lags = LAGS[number % 2 :: 2]
        pairs = np.empty((fields, 1 + len(lags)))
        for seed in range(fields):
            rng = generator(seed, f"figure {name}", "field")
            waves = rough_waves(rng, correlation_m)
            offsets_m = np.append(0.0, lags)[:, None] * correlation_m * np.array([1.0, 0.0])
            pairs[seed] = field_values(waves, rng.uniform(-1e3, 1e3, 2) + offsets_m)
        fine = np.linspace(0.0, LAGS[-1], 100)
        curves[name] = Curve(fine * correlation_m, np.exp(-fine))
        points[name] = of_means(lags * correlation_m, pairs[:, :1] * pairs[:, 1:], np.exp(-lags))
    return Panel(curves, points)


def shadowing_spread(surveys: dict[Environment, Survey]) -> Panel:
    """Return the standard deviation of shadowing by state, with chi-square intervals, and the table's value."""
    curves, points = {}, {}
    for state, los in (("los", True), ("nlos", False)):
        rows = []
        for number, (name, seen) in enumerate(surveys.items()):
            row = environment_parameters(name)
            table_db = (row.los if los else row.nlos).sigma_db
            samples = seen.shadowing_db[seen.sight == los]
            count, total = len(samples), float(samples @ samples)
            ends = (np.sqrt(total / stats.chi2.isf(tail, count)) for tail in (TAIL, 1 - TAIL))
            rows.append((number, np.sqrt(total / count), *ends, table_db))
            curves[f"{name} {state}"] = Curve(number + np.array([-0.4, 0.4]), np.full(2, table_db))
        points[state] = Points(*np.array(rows).T)
    return Panel(curves, points)


def draw(figure: Figure, shown: dict[str, Panel]) -> None:
    grid = figure.add_gridspec(3, 3, height_ratios=(1.5, 0.55, 1.2))
    outdoors, indoors = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    strips = [figure.add_subplot(grid[1, 0], sharex=outdoors), figure.add_subplot(grid[1, 1], sharex=indoors)]
    correlation = figure.add_subplot(grid[:2, 2])
    below = [figure.add_subplot(grid[2, column]) for column in range(3)]
    for axes, strip, names, kind in (
        (outdoors, strips[0], OUTDOORS, "outdoors"),
        (indoors, strips[1], INDOORS, "indoors"),
    ):
        _draw_path_loss(axes, strip, shown[f"path loss {kind}"], names)
        axes.set_title(f"Path loss {kind}")
    outdoors.text(
        0.98, 0.03, "solid, filled: in sight\ndashed, hollow: not", transform=outdoors.transAxes, ha="right", fontsize=7
    )
    strips[0].set_ylabel("Found less\nformula (dB)")
    outdoors.set_ylabel("Loss at 3.5 GHz (dB)")
    _draw_correlation(correlation, shown["shadowing over distance"])
    for axes, names, kind in ((below[0], OUTDOORS, "outdoors"), (below[1], INDOORS, "indoors")):
        _draw_sight(axes, shown[f"line of sight {kind}"], names)
        axes.set_title(f"Line of sight {kind}")
    below[0].set_ylabel("Probability")
    _draw_spread(below[2], shown["spread of shadowing"])
    letter([outdoors, indoors, correlation, *below])
    figure.align_ylabels([outdoors, strips[0], below[0]])


def _draw_path_loss(axes: Axes, strip: Axes, panel: Panel, names: tuple[Environment, ...]) -> None:
    look = looks(names)
    for name in names:
        for state, dashes in (("los", DASHES[0]), ("nlos", DASHES[1])):
            key = f"{name} {state}"
            draw_curve(axes, panel.curves[key], look[name]._replace(linestyle=dashes))
            label = NAMES[name] if state == "nlos" else ""
            points = panel.points[key]
            draw_points(axes, points, look[name], label, filled=state == "los")
            aside = points.x * 1.06 ** (2 * names.index(name) + (state == "nlos") - len(names))
            draw_points(strip, departures(points)._replace(x=aside), look[name], filled=state == "los")
    strip.axhline(0, color=INK, linewidth=0.8)
    plain_decades(axes, "x")
    axes.tick_params(labelbottom=False)
    strip.set(xlabel="Distance (m)", ylim=(-2.6, 2.6))
    axes.legend(loc="upper left", handletextpad=0.2, labelspacing=0.15, borderaxespad=0.1)
    for each in (axes, strip):
        tidy(each)


def _draw_correlation(axes: Axes, panel: Panel) -> None:
    for name, look in looks(list(panel.curves)).items():
        draw_curve(axes, panel.curves[name], look._replace(linestyle="-"))
        draw_points(axes, panel.points[name], look, name)
    axes.set(
        title="Shadowing over distance",
        xlabel="Distance (m)",
        ylabel="Autocorrelation",
        xlim=(-5, 260),
        ylim=(-0.08, 1.4),
    )
    axes.legend(loc="upper right", handletextpad=0.2, labelspacing=0.2, borderaxespad=0.1)
    tidy(axes)


def _draw_sight(axes: Axes, panel: Panel, names: tuple[Environment, ...]) -> None:
    look = looks(names)
    for name in names:
        draw_curve(axes, panel.curves[name], look[name]._replace(linestyle="-"))
        draw_points(axes, panel.points[name], look[name], NAMES[name])
    plain_decades(axes, "x")
    axes.set(xlabel="Distance (m)", ylim=(-0.03, 1.05))
    tidy(axes)


def _draw_spread(axes: Axes, panel: Panel) -> None:
    for curve in panel.curves.values():
        axes.plot(*curve, color=INK, linewidth=0.9, solid_capstyle="butt")
    for (state, points), look in zip(panel.points.items(), looks(list(panel.points)).values(), strict=True):
        draw_points(axes, points, look, filled=state == "los")
    axes.set_xticks(range(len(NAMES)), list(NAMES.values()), rotation=60, ha="right", rotation_mode="anchor")
    axes.set(title="Spread of shadowing", ylabel="Standard deviation (dB)", ylim=(0, 9.5))
    tidy(axes, "y")
    marks = [
        Line2D([], [], color=look.color, marker=look.marker, linestyle="none", markersize=3.4, markerfacecolor=face)
        for look, face in zip(looks(list(panel.points)).values(), (None, "white"), strict=True)
    ]
    key = [*marks, Line2D([], [], color=INK, linewidth=0.9)]
    axes.legend(
        key,
        ["in sight", "out of it", "table"],
        loc="lower center",
        ncols=3,
        handletextpad=0.2,
        columnspacing=0.7,
        handlelength=1.2,
        borderaxespad=0,
    )
