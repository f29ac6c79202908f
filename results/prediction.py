"""Compare the rate that the link model predicts from a recorded SINR with the rate recorded at the same time.

The model: rate = width x efficiency(SINR - loss) + anchor. The efficiency is the goodput per Hz of the air interface
with the best rank (`emulator.channel.air.expected`). The width stands for quantities that a recording does not
contain: bandwidth, the direction's share of the time, the UE's share of the cell. The anchor is the rate of an LTE cell
that works together with NR (NSA), taken as constant. Width and anchor are declared, or fitted on the first half of the
samples that have a SINR, and so is the receiver's loss if the recording has MCSs. All errors are of the second half.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.optimize import nnls
from scipy.stats import ks_2samp

from emulator.channel.air.expected import expected_link
from emulator.channel.radio import Adaptation
from emulator.core.arrays import Flags, Floats
from emulator.core.units import NS_PER_S
from emulator.trace import Trace
from emulator.trace.formats import read
from emulator.trace.writer import is_trace_file
from results.mcs_prediction import LOSSES_DB, LOSSLESS, MIN_SAMPLES, McsErrors, fit_loss_db, mcs_errors, mcs_samples
from topologies.loading.loader import prefix_errors

SMOOTH_S = 10.0
OF_BLOCKS = {"mcs": (0, 31), "rank": (1, 8)}
"""Columns of blocks, with the least and greatest value (TS 38.214 5.1.3.1, 5.2.2.2)."""
MOST_LAYERS = (1, 2, 4)
"""Of an uplink, of a downlink in a low band, and of one in a middle band, usually."""
USUAL_LAYERS = 4
USUAL_LOSS_DB = Adaptation().implementation_loss_db


class Samples(NamedTuple):
    """Means over `step_s`, shape (samples,) each; SINR, MCS and rank are NaN where the recording has none."""

    step_s: float
    sinr_db: Floats
    rate_bps: Floats
    mcs: Floats
    rank: Floats


class Errors(NamedTuple):
    """Errors in the second half.

    `bias`, `mae`, `nrmse`: mean error, mean |error| and root mean squared error of the prediction, each divided by the
    mean measured rate. `nrmse_of_constant`: that of the first half's mean rate. `nrmse_of_best`: that of the best
    function of the SINR, the second half's own mean rate in each dB. `correlation`: of predicted and measured rate,
    per sample and of means over 10 s. `ks`: Kolmogorov-Smirnov distance of the two distributions.
    """

    bias: float
    mae: float
    nrmse: float
    nrmse_of_constant: float
    nrmse_of_best: float
    correlation: float
    correlation_10s: float
    ks: float


class Scale(NamedTuple):
    """rate = `width_hz` x efficiency + `anchor_bps`; `origin`: declared or fitted."""

    width_hz: float
    anchor_bps: float
    origin: str


Calibration = Callable[[Floats, Floats], Scale]
"""Returns the scale for the first half's rates (bit/s) and efficiencies (bit/s/Hz), shape (samples,) each."""


def by_mean(rate_bps: Floats, efficiency: Floats) -> Scale:
    """Fit the width to the mean rate, without an anchor."""
    return Scale(float(rate_bps.mean() / efficiency.mean()), 0.0, "fitted")


def with_anchor(rate_bps: Floats, efficiency: Floats) -> Scale:
    """Fit width and anchor by least squares, neither below 0."""
    (width_mhz, anchor_mbps), _ = nnls(np.stack([efficiency, np.ones_like(efficiency)], axis=1), rate_bps / 1e6)
    return Scale(float(width_mhz * 1e6), float(anchor_mbps * 1e6), "fitted")


def declared(width_hz: float) -> Calibration:
    """Return a calibration with the given width and no anchor."""
    return lambda _rate_bps, _efficiency: Scale(width_hz, 0.0, "declared")


def calibration(fit: Literal["width", "anchor"] | None, width_mhz: float | None) -> Calibration:
    """Return the calibration for `--fit` or `--width-mhz`; by default fit the width. Raises ValueError for both."""
    if width_mhz is None:
        return with_anchor if fit == "anchor" else by_mean
    if fit is not None:
        raise ValueError(f"--fit {fit}: must not be given beside --width-mhz, which declares what it fits")
    return declared(width_mhz * 1e6)


class LinkFit(NamedTuple):
    """The recording's link: most `layers`, and the receiver's loss. `loss_origin`: usual; fitted to the MCSs; or limit,
    if the MCSs ask for a loss beyond the fit's limits, as those of another table or SINR may."""

    layers: int
    loss_db: float
    loss_origin: str


class Prediction(NamedTuple):
    """Samples with predicted rates and MCSs, shape (samples,), NaN without a SINR. `judged`: samples of the second half
    with a SINR. `covered`: share of all samples with a SINR. `fresh`: share of those whose SINR differs from the one
    before (phones repeat old values). `mcs_errors`: None if too few samples have an MCS."""

    samples: Samples
    predicted_bps: Floats
    predicted_mcs: Floats
    judged: Flags
    covered: float
    fresh: float
    link: LinkFit
    scale: Scale
    errors: Errors
    mcs_errors: McsErrors | None


def predict(trace: Trace, calibrate: Calibration = by_mean, layers: int | None = None) -> Prediction:
    """Predict the rates of a trace that has `sinr_db`, and its MCSs if it has `mcs`.

    `layers` is the most that the link has. None: four in a trace with MCSs; otherwise one, two or four, with which the
    first half's rates have the least root mean squared error. Raises ValueError without SINRs, with too few samples in
    a half, or if its SINR allows no rate.
    """
    samples = samples_of(trace)
    known = ~np.isnan(samples.sinr_db)
    second = np.cumsum(known) > known.sum() // 2
    fitted, judged = known & ~second, known & second
    if fitted.sum() < MIN_SAMPLES:
        raise ValueError(f"sinr_db: must hold {2 * MIN_SAMPLES} samples at least, not {known.sum()}")
    if not samples.rate_bps[judged].any():
        raise ValueError("rate=0: must be above 0 in some sample of the second half, to judge by it")
    with_mcs = mcs_samples(samples.sinr_db, samples.mcs)
    has_mcs = min((with_mcs & fitted).sum(), (with_mcs & judged).sum()) >= MIN_SAMPLES
    if has_mcs:
        most = layers or USUAL_LAYERS
        part = with_mcs & fitted
        loss_db = fit_loss_db(samples.sinr_db[part], samples.mcs[part], most)
        link = LinkFit(most, loss_db, "limit" if loss_db in (LOSSES_DB[0], LOSSES_DB[-1]) else "fitted")
    else:
        options = [LinkFit(most, USUAL_LOSS_DB, "usual") for most in ([layers] if layers else MOST_LAYERS)]
        link = min(options, key=lambda option: _fit(samples, fitted, option, calibrate)[1])
    scale, _ = _fit(samples, fitted, link, calibrate)
    expected = expected_link(samples.sinr_db - link.loss_db, LOSSLESS, link.layers)
    predicted_bps = scale.width_hz * expected.efficiency + scale.anchor_bps
    part = with_mcs & judged
    return Prediction(
        samples,
        predicted_bps,
        expected.mcs,
        judged,
        covered=float(known.mean()),
        fresh=float(np.mean(np.diff(samples.sinr_db[known]) != 0)),
        link=link,
        scale=scale,
        errors=errors_of(samples, predicted_bps, judged, float(samples.rate_bps[fitted].mean())),
        mcs_errors=mcs_errors(
            samples.sinr_db[part], samples.mcs[part], samples.rank[part], link.loss_db, link.layers
        ) if has_mcs else None,
    )  # fmt: skip


def _fit(samples: Samples, fitted: Flags, link: LinkFit, calibrate: Calibration) -> tuple[Scale, float]:
    """Return the scale of the first half, and the root mean squared error there in bit/s."""
    rate_bps, sinr_db = samples.rate_bps[fitted], samples.sinr_db[fitted]
    efficiency = expected_link(sinr_db - link.loss_db, LOSSLESS, link.layers).efficiency
    if not efficiency.any():
        raise ValueError(f"sinr_db={sinr_db.max():g}: must be high enough for some rate in the first half")
    scale = calibrate(rate_bps, efficiency)
    return scale, root_mean_square(scale.width_hz * efficiency + scale.anchor_bps - rate_bps)


def predict_files(
    files: Sequence[Path], columns: str | None, calibrate: Calibration, layers: int | None
) -> list[tuple[str, Prediction]]:
    """Return name and prediction of each file, a trace or CSV by its suffix. Errors name the file."""
    found = []
    for file in files:
        trace = read(file, "parquet" if is_trace_file(file) else "csv", columns)
        with prefix_errors(file):
            found.append((file.name, predict(trace, calibrate, layers)))
    return found


def facts(prediction: Prediction) -> dict[str, Any]:
    """Return the numbers of a prediction, for JSON."""
    counts = {"samples_judged": int(prediction.judged.sum()), "covered": prediction.covered, "fresh": prediction.fresh}
    of_mcs = prediction.mcs_errors._asdict() if prediction.mcs_errors else {}
    return {
        **prediction.scale._asdict(), **prediction.link._asdict(), **counts, **prediction.errors._asdict(), **of_mcs
    }  # fmt: skip


def samples_of(trace: Trace) -> Samples:
    """Return the trace's slots, or means over seconds if a second is a multiple of the slot."""
    if "sinr_db" not in trace.columns:
        names = ", ".join(sorted(trace.columns))
        raise ValueError(f"columns: must hold sinr_db (kept on import), not {names}")
    slots = NS_PER_S // trace.slot_ns if trace.slot_ns < NS_PER_S and NS_PER_S % trace.slot_ns == 0 else 1
    whole = len(trace) // slots
    if whole == 0:
        raise ValueError(f"slots={len(trace)}: must last a second at least")
    step_s = slots * trace.slot_ns / NS_PER_S
    sinr_db = trace.columns["sinr_db"][: whole * slots].astype(np.float64).reshape(whole, slots).mean(axis=1)
    bits = trace.capacity_bits[: whole * slots].reshape(whole, slots).sum(axis=1)
    mcs, rank = (_means_of_blocks(trace, name, limits, whole, slots) for name, limits in OF_BLOCKS.items())
    return Samples(step_s, sinr_db, bits / step_s, mcs, rank)


def _means_of_blocks(trace: Trace, name: str, limits: tuple[int, int], whole: int, slots: int) -> Floats:
    """Return the means of a column over the slots that have a block, which a value of the least or more tells; NaN
    where none has. Shape (whole,). Raises ValueError for a value that no network has."""
    least, most = limits
    if name not in trace.columns:
        return np.full(whole, np.nan)
    values = trace.columns[name][: whole * slots].astype(np.float64).reshape(whole, slots)
    if (values > most).any():
        raise ValueError(f"{name}={values[values > most][0]:g}: must be at most {most}")
    counted = values >= least
    sums = np.where(counted, values, 0.0).sum(axis=1)
    means: Floats = np.divide(sums, counted.sum(axis=1), out=np.full(whole, np.nan), where=counted.any(axis=1))
    return means


def errors_of(samples: Samples, predicted_bps: Floats, judged: Flags, constant_bps: float) -> Errors:
    """Return the errors of the prediction in the judged samples; `constant_bps`: the constant to compare with."""
    measured, predicted = samples.rate_bps[judged], predicted_bps[judged]
    best = means_by_level(measured, np.rint(samples.sinr_db[judged]))
    mean = float(measured.mean())
    window = max(round(SMOOTH_S / samples.step_s), 1)
    masked = np.where(judged, predicted_bps, np.nan)
    smooth = np.array([means_of(values, judged, window) for values in (samples.rate_bps, masked)])
    return Errors(
        bias=float(predicted.mean() / mean - 1),
        mae=float(np.abs(predicted - measured).mean() / mean),
        nrmse=root_mean_square(predicted - measured) / mean,
        nrmse_of_constant=root_mean_square(constant_bps - measured) / mean,
        nrmse_of_best=root_mean_square(best - measured) / mean,
        correlation=correlation(measured, predicted),
        correlation_10s=correlation(*smooth[:, ~np.isnan(smooth[0])]),
        ks=float(ks_2samp(measured, predicted, method="asymp").statistic),
    )


def means_of(values: Floats, counted: Flags, window: int) -> Floats:
    """Return means over consecutive windows, shape (windows,); NaN if less than half of a window's samples count."""
    whole = len(values) // window
    cut = np.where(counted, values, 0.0)[: whole * window].reshape(whole, window).sum(axis=1)
    count = counted[: whole * window].reshape(whole, window).sum(axis=1)
    means: Floats = np.divide(cut, count, out=np.full(whole, np.nan), where=2 * count >= window)
    return means


def means_by_level(values: Floats, levels: Floats) -> Floats:
    """Return for each value the mean of all values of its level."""
    _, level = np.unique(levels, return_inverse=True)
    means: Floats = (np.bincount(level, values) / np.bincount(level))[level]
    return means


def root_mean_square(values: Floats) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.square(values).mean()))


def correlation(one: Floats, other: Floats) -> float:
    """Return Pearson's correlation; NaN if either does not vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.corrcoef(one, other)[0, 1])
