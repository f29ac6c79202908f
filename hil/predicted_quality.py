"""The measured loss of quality of each task's answer beside the one that its kind's table predicts: quality.csv."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from emulator.core.files import atomic_write
from emulator.legs import LegTemplate
from emulator.simulation.network import Network
from emulator.workload import TaskImage
from topologies.datasets.task_images import has_labels

QUALITY_FILE = "quality.csv"


class PredictedQuality(NamedTuple):
    """What was sent of a task, and what a table predicts of it. `erased_share`: the greatest share of an activation's
    packets that was lost; `predicted`: by the table at the shares that were lost, with the 95 % interval of the table's
    mean, `low` to `high`; the sum over the cuts. None without a table, or with one in another unit than answers are
    scored in, `unit`, which is empty for drawn tokens and pixels."""

    cuts: str
    codecs: str
    delivery: str
    unit: str
    erased_share: float
    predicted: float | None
    low: float | None
    high: float | None


class MeasuredQuality(NamedTuple):
    """A task whose answer was scored. `agreement`: 1 if the next token or class is that of the whole model, else 0;
    `quality_loss`: measured, None for drawn tokens."""

    policy: str
    source: str
    kind: str
    task: int
    agreement: int
    quality_loss: float | None
    prediction: PredictedQuality


def predict(
    network: Network, kind: str, once: Sequence[LegTemplate], shares: Sequence[float], unit: str | None
) -> PredictedQuality:
    """Return the prediction for a task of a kind. `once`: the legs of its first pass; `shares[i]`: the share of leg i's
    packets that was lost; `unit`: that of its score."""
    known = network.system.kinds[kind]
    sent = [leg for leg in once if leg.codec and leg.source != leg.target]
    table = network.system.quality.get(kind)
    cuts, codecs = " ".join(str(leg.first) for leg in sent), " ".join(leg.codec for leg in sent)
    delivery = "" if known.delivery is None else str(known.delivery)
    share = max((shares[leg.stage] for leg in sent), default=0.0)
    if table is None or table.unit != unit:
        return PredictedQuality(cuts, codecs, delivery, unit or "", share, None, None, None)
    loss = low = high = 0.0
    for leg in once:
        curve = network.quality_curve(known, leg)
        if curve is not None:
            lost = min(shares[leg.stage], 1.0)
            bounds = curve.interval_at(lost)
            loss, low, high = loss + curve.at(lost), low + bounds[0], high + bounds[1]
    return PredictedQuality(cuts, codecs, delivery, unit or "", share, loss, low, high)


def scored_unit(is_text: bool, prompt: Sequence[int], image: TaskImage | None) -> str | None:
    """Return the unit in which an answer is scored as in tables: None for drawn tokens and pixels, which no table is
    about."""
    if is_text:
        return "nats a token" if len(prompt) > 1 else None
    if image is None:
        return None
    return "accuracy" if has_labels(image.dataset) else "agreement"


def write_quality(folder: Path, rows: Iterable[MeasuredQuality]) -> None:
    """Write quality.csv to a run's folder."""
    flat = [(*row[:-1], *row.prediction) for row in rows]
    table = pd.DataFrame(flat, columns=[*MeasuredQuality._fields[:-1], *PredictedQuality._fields])
    with atomic_write(folder / QUALITY_FILE) as partial:
        table.to_csv(partial, index=False)
