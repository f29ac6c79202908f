"""Draw a page per recording: the rate that the link model predicts from the SINR against the measured rate."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emulator.core.arrays import Floats
from results.figures.style import INK, looks, page, pdf_pages, require_drawable, save, tidy
from results.prediction import SMOOTH_S, Errors, Prediction, means_of

HEIGHT_IN = 6.6
MAX_MEANS = 150  # over the length of a recording
MEASURED, PREDICTED = "measured", "predicted from SINR"
LOOKS = looks((MEASURED, PREDICTED, "white"))  # not the lightest look, which would be lost among samples in grey print


def prediction_pages(predictions: Sequence[tuple[str, Prediction]], path: Path) -> Path:
    """Draw a page for each (title, prediction), in this order. Raises ValueError if the format does not fit: several
    pages need a PDF."""
    require_drawable(path)
    if len(predictions) > 1 and path.suffix != ".pdf":
        raise ValueError(f"{path}: ending must be .pdf for {len(predictions)} pages")
    if len(predictions) == 1:
        with page(HEIGHT_IN) as figure:
            draw_prediction(figure, *predictions[0])
            return save(figure, path)
    with pdf_pages(path) as pages:
        for title, prediction in predictions:
            with page(HEIGHT_IN) as figure:
                draw_prediction(figure, title, prediction)
                pages.savefig(figure)  # type: ignore[no-untyped-call]  # matplotlib's own stub
    return path


def draw_prediction(figure: Figure, title: str, prediction: Prediction) -> None:
    """Draw both rates over time, the SINR, rate over SINR, both distributions and the errors."""
    grid = figure.add_gridspec(3, 3, height_ratios=(1.35, 0.8, 1.5))
    rates = figure.add_subplot(grid[0, :])
    sinr = figure.add_subplot(grid[1, :], sharex=rates)
    scatter, distributions, errors = (figure.add_subplot(grid[2, column]) for column in range(3))
    rates.set_title(title, loc="left", fontweight="bold")
    _draw_rates(rates, prediction)
    _draw_sinr(sinr, prediction)
    _draw_scatter(scatter, prediction)
    if prediction.mcs_errors is None:
        _draw_distributions(distributions, prediction)
    else:
        _draw_mcs(distributions, prediction)
    _write_errors(errors, prediction)


def _draw_rates(axes: Axes, prediction: Prediction) -> None:
    """Draw samples faint and means over 10 s or more strong; the background of the judged second half is white."""
    step_s = prediction.samples.step_s
    smooth_s = SMOOTH_S * -(-len(prediction.judged) * step_s // (SMOOTH_S * MAX_MEANS))
    window = max(round(smooth_s / step_s), 1)
    seen = ~np.isnan(prediction.predicted_bps)
    axes.plot(_starts(prediction), prediction.samples.rate_bps / 1e6, color="0.82", linewidth=0.4)
    for name, values in ((MEASURED, prediction.samples.rate_bps), (PREDICTED, prediction.predicted_bps)):
        means = means_of(values, np.ones_like(seen) if name == MEASURED else seen, window) / 1e6
        edges_s = np.arange(len(means) + 1) * window * step_s
        look = LOOKS[name]
        axes.stairs(means, edges_s, baseline=None, color=look.color, linestyle=look.linestyle, label=name, zorder=3)
    _shade_first_half(axes, prediction)
    axes.text(0.005, 0.97, "first half", color="0.4", va="top", transform=axes.transAxes)
    axes.set(ylabel=f"Rate (Mbit/s)\nmean over {window * step_s:g} s", ylim=(0, None))
    axes.tick_params(labelbottom=False)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2, borderaxespad=0)
    tidy(axes)


def _draw_sinr(axes: Axes, prediction: Prediction) -> None:
    axes.plot(_starts(prediction), prediction.samples.sinr_db, color=INK, linewidth=0.6)
    _shade_first_half(axes, prediction)
    axes.set(ylabel="SINR (dB)", xlabel="Time (s)", xlim=(0, len(prediction.judged) * prediction.samples.step_s))
    tidy(axes)


def _draw_scatter(axes: Axes, prediction: Prediction) -> None:
    """Draw the judged samples and the model's curve."""
    sinr_db, judged = prediction.samples.sinr_db, prediction.judged
    measured = prediction.samples.rate_bps[judged] / 1e6
    axes.scatter(sinr_db[judged], measured, s=5, color=LOOKS[MEASURED].color, alpha=0.35, linewidths=0)
    order = np.argsort(sinr_db[judged])
    curve = prediction.predicted_bps[judged][order] / 1e6
    look = LOOKS[PREDICTED]
    axes.plot(sinr_db[judged][order], curve, color="white", linewidth=3.2)
    axes.plot(sinr_db[judged][order], curve, color=look.color, linestyle=look.linestyle, linewidth=1.6)
    axes.set(
        xlabel="SINR (dB)", ylabel="Rate (Mbit/s)", ylim=(0, max(np.quantile(measured, 0.995), curve.max()) * 1.05)
    )
    axes.set_title("second half, each sample", loc="left")
    tidy(axes)


def _draw_distributions(axes: Axes, prediction: Prediction) -> None:
    judged = prediction.judged
    for name, values in (
        (MEASURED, prediction.samples.rate_bps[judged]),
        (PREDICTED, prediction.predicted_bps[judged]),
    ):
        look = LOOKS[name]
        axes.ecdf(values / 1e6, color=look.color, linestyle=look.linestyle)
    axes.set(xlabel="Rate (Mbit/s)", ylabel="Share of samples below", ylim=(0, 1.02))
    both = prediction.samples.rate_bps[judged], prediction.predicted_bps[judged]
    axes.set_xlim(0, 1.02 * max(float(np.quantile(values, 0.998)) for values in both) / 1e6)
    axes.set_title("second half, distributions", loc="left")
    tidy(axes)


def _draw_mcs(axes: Axes, prediction: Prediction) -> None:
    """Draw the judged MCSs and the model's curve."""
    sinr_db = prediction.samples.sinr_db[prediction.judged]
    order = np.argsort(sinr_db)
    axes.scatter(
        sinr_db, prediction.samples.mcs[prediction.judged], s=5, color=LOOKS[MEASURED].color, alpha=0.35, linewidths=0
    )
    curve, look = prediction.predicted_mcs[prediction.judged][order], LOOKS[PREDICTED]
    axes.plot(sinr_db[order], curve, color="white", linewidth=3.2)
    axes.plot(sinr_db[order], curve, color=look.color, linestyle=look.linestyle, linewidth=1.6)
    axes.set(xlabel="SINR (dB)", ylabel="MCS", ylim=(-0.5, None))
    axes.set_title("second half, MCS", loc="left")
    tidy(axes)


def _write_errors(axes: Axes, prediction: Prediction) -> None:
    """Write the errors as a table without lines."""
    rows = error_rows(prediction)
    axes.set_axis_off()
    axes.set_title("errors, second half", loc="left")
    for number, (name, value) in enumerate(rows):
        height = 0.96 - number / len(rows)
        axes.text(0.0, height, name, va="top", transform=axes.transAxes)
        axes.text(1.0, height, value, va="top", ha="right", transform=axes.transAxes)


def error_rows(prediction: Prediction) -> list[tuple[str, str]]:
    """Return name and value of each printed number."""
    errors: Errors = prediction.errors
    width_hz, anchor_bps, origin = prediction.scale
    return [
        (f"width ({origin})", f"{width_hz / 1e6:.3g} MHz"),
        *([(f"LTE anchor ({origin})", f"{anchor_bps / 1e6:.3g} Mbit/s")] if anchor_bps else []),
        ("most layers", f"{prediction.link.layers}"),
        (f"receiver's loss ({prediction.link.loss_origin})", f"{prediction.link.loss_db:.3g} dB"),
        *_mcs_rows(prediction),
        ("samples with a SINR", f"{prediction.covered:.0%}"),
        ("   another than before", f"{prediction.fresh:.0%}"),
        ("samples judged", f"{int(prediction.judged.sum())}"),
        ("bias", f"{errors.bias:+.0%}"),
        ("mean |error|", f"{errors.mae:.0%}"),
        ("root mean squared error", f"{errors.nrmse:.0%}"),
        ("   of a constant rate", f"{errors.nrmse_of_constant:.0%}"),
        ("   of any function of SINR", f"≥ {errors.nrmse_of_best:.0%}"),
        ("correlation", f"{errors.correlation:+.2f}"),
        ("   of 10 s means", f"{errors.correlation_10s:+.2f}"),
        ("distance of distributions", f"{errors.ks:.2f}"),
    ]


def _mcs_rows(prediction: Prediction) -> list[tuple[str, str]]:
    """Return the rows of MCS and rank, none if the recording has no MCS."""
    if prediction.mcs_errors is None:
        return []
    _, mcs_error, rank_error = prediction.mcs_errors
    rank = [] if np.isnan(rank_error) else [("mean |error| of rank", f"{rank_error:.2f}")]
    return [("median |error| of MCS", f"{mcs_error:.2f}"), *rank]


def _starts(prediction: Prediction) -> Floats:
    return np.arange(len(prediction.judged), dtype=np.float64) * prediction.samples.step_s


def _shade_first_half(axes: Axes, prediction: Prediction) -> None:
    axes.axvspan(0, int(np.argmax(prediction.judged)) * prediction.samples.step_s, color="0.94", linewidth=0, zorder=0)
