"""Measure a model and write its quality table, with the calibration beside it."""

import hashlib
import platform
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch

from emulator.activation.codecs import CODECS
from emulator.activation.delivery import parse_delivery
from emulator.activation.harms import require_share
from emulator.core.files import atomic_write, require_writable
from emulator.core.progress import StepProgress
from emulator.quality import QualityTable
from topologies.models.digests import weights_sha256
from topologies.quality.data import SampleSize, prepare
from topologies.quality.measured_model import find_model
from topologies.quality.measurement import Case, KeptResults, measure, table
from topologies.quality.room import require_memory
from topologies.quality.subject import calibrate
from topologies.quality.tables import MeasuredOn, calibration_bytes, save_quality
from topologies.quality.units import save_units, units_path

PACKAGES = ("torch", "transformers", "numpy")


def measure_model(
    model: str, cases: Sequence[Case], size: SampleSize, text: Path | None, out: Path, progress: StepProgress
) -> QualityTable:
    """Measure the cases of a model (`find_model`), write the table to `out`, with the calibration and the losses of
    single units beside it, and return the table.

    What is measured is kept in a file beside `out` until the table is written: the same call after an interruption
    continues. Uses one thread, for the whole process. Raises ValueError, one line, for a model that is unknown or not
    trained, a cut that it does not have, tokens of images to protect, a share that bursts cannot lose, windows longer
    than the model takes, or a text that cannot be used; MissingDependency for what is not installed, and if the memory
    does not suffice.
    """
    require_writable(out)
    require_writable(out.with_suffix(".npz"))
    require_writable(units_path(out))
    found = find_model(model)
    plan = found.plan
    layers = len(plan.layers)
    cuts = tuple(sorted({case.cut for case in cases}))
    for cut in cuts:
        if not 0 < cut < layers:
            raise ValueError(f"cut={cut}: must be between 1 and {layers - 1}, the last cut of {model}")
    for delivery, level in dict.fromkeys(
        (parse_delivery(case.delivery), case.level) for case in cases if case.delivery
    ):
        if delivery.recipe.protection.tokens and plan.family == "vision":
            raise ValueError(f"recipe={delivery.recipe}: must protect no tokens, since {model} takes images")
        if delivery.harm.kind != "noise":
            require_share(level, delivery.harm.mean_burst)
    if text is not None and plan.family == "vision":
        raise ValueError(f"--text {text}: must not be given, since {model} takes images")
    if plan.weights is None:
        raise ValueError(f"model={model}: must be a trained one: weights drawn from a seed have no quality to lose")
    require_memory(plan, cuts, size)
    torch.set_num_threads(1)
    progress("load", 0, 2)
    prepared = prepare(found, text, size)
    subject = prepared.subject
    progress("load", 1, 2)
    subject.prepare(cuts)
    calibrations = calibrate(subject.chain, prepared.calibration, cuts, subject.batch)
    progress("load", 2, 2)
    stored = calibration_bytes(calibrations)
    measured_on = MeasuredOn(
        data=prepared.data,
        data_sha256=prepared.data_sha256,
        weights_sha256=weights_sha256(found.files),
        tokenizer_sha256=prepared.tokenizer_sha256,
        calibration_sha256=hashlib.sha256(stored).hexdigest(),
        window_tokens=subject.window_tokens,
        seeds=size.seeds,
        units_per_seed=size.units,
        codecs=tuple(CODECS),
        versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    )
    kept = KeptResults(out.with_name(f".{out.name}.measured"), measured_on.model_dump())
    results = measure(subject, cases, calibrations, size.seeds, kept, partial(progress, "measure"))
    measured = table(subject, results)
    with atomic_write(out.with_suffix(".npz")) as file:
        file.write_bytes(stored)
    save_quality(measured, measured_on, out)
    save_units({case: each.losses for case, each in results.items()}, out)
    kept.remove()
    return measured
