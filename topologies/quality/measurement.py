"""Measure what codecs and deliveries cost at cuts of a model, case by case; a killed measurement continues."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emulator.activation.codecs import codec
from emulator.activation.concealment import Calibration
from emulator.activation.delivery import parse_delivery
from emulator.core.arrays import Float32s, Floats
from emulator.core.files import atomic_write, naming
from emulator.core.progress import Progress
from emulator.core.randomness import generator
from emulator.core.strict_json import json_text
from emulator.quality import DELIVERED, QualityRow, QualityTable
from topologies.quality.intervals import mean_interval
from topologies.quality.subject import Scores, Subject

UNCODED = "fp32"  # the values themselves


class Case(NamedTuple):
    """What is measured: a codec at a cut, and a delivery at a level above 0, or "" at level 0."""

    cut: int
    codec: str
    delivery: str = ""
    level: float = 0.0


class Results(NamedTuple):
    """Losses over the unharmed model's, and agreements, shape (seeds, units of each seed)."""

    losses: Floats
    agreements: Floats


def cases(cuts: Iterable[int], codecs: Iterable[str], deliveries: Iterable[str], levels: Iterable[float]) -> list[Case]:
    """Return every codec (fp32 and int8 always) at every cut, and every delivery with int8 at every level and cut."""
    names, texts, shares = list(dict.fromkeys((UNCODED, DELIVERED, *codecs))), list(deliveries), list(levels)
    return [
        case
        for cut in sorted(set(cuts))
        for case in (
            *(Case(cut, name) for name in names),
            *(Case(cut, DELIVERED, text, share) for text in texts for share in shares),
        )
    ]


class KeptResults:
    """Scores of finished cases, in a file beside the output, so that a killed measurement continues.

    The first line of the file is the `settings` of the measurement: results of others are dropped. A line that was
    being written when the process was killed, or that is damaged, is dropped too.
    """

    def __init__(self, path: Path, settings: Mapping[str, object]) -> None:
        self._path = path
        self._found: dict[Case, Scores] = {}
        head = json_text(settings)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
        whole = []
        for line in lines[1:] if lines[:1] == [head] else []:
            with suppress(TypeError, ValueError, RecursionError):
                *case, losses, agreements = json.loads(line)
                self._found[Case(*case)] = Scores(np.array(losses, np.float64), np.array(agreements, np.float64))
                whole.append(line)
        with atomic_write(path) as partial:
            partial.write_text("\n".join((head, *whole, "")), encoding="utf-8")

    def get(self, case: Case) -> Scores | None:
        """Return the scores of a case, None if it was not measured."""
        return self._found.get(case)

    def add(self, case: Case, scores: Scores) -> None:
        """Keep scores."""
        line = json.dumps([*case, scores.losses.tolist(), scores.agreements.tolist()])
        with naming(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def remove(self) -> None:
        """Delete the file, once the output is written."""
        with suppress(FileNotFoundError):
            self._path.unlink()


def measure(
    subject: Subject,
    wanted: Sequence[Case],
    calibrations: Mapping[int, Calibration],
    seeds: int,
    kept: KeptResults,
    progress: Progress,
) -> dict[Case, Results]:
    """Return the results of all cases. Each seed has its share of the subject's units and its own draws, the same in
    all cases of a harm. The subject has been prepared for the cuts."""
    unharmed, found = subject.unharmed, {}
    for done, case in enumerate(wanted):
        progress(done, len(wanted))
        scores = unharmed if case == Case(case.cut, UNCODED) else kept.get(case)
        if scores is None or {each.shape for each in scores} != {unharmed.losses.shape}:
            scores = subject.scores(
                case.cut, deliver(subject.matrices(case.cut), case, calibrations.get(case.cut), seeds)
            )
            kept.add(case, scores)
        losses = scores.losses - unharmed.losses
        found[case] = Results(losses.reshape(seeds, -1), scores.agreements.reshape(seeds, -1))
    progress(len(wanted), len(wanted))
    return found


def deliver(matrices: Float32s, case: Case, calibration: Calibration | None, seeds: int) -> Float32s:
    """Return activations, shape (inputs, tokens, elements), as they are after codec, harm and concealment. Each seed
    draws for the same number of inputs, in turn."""
    coder = codec(case.codec)
    delivery = parse_delivery(case.delivery) if case.delivery else None
    per_seed = len(matrices) // seeds
    received = np.empty_like(matrices)
    for index, values in enumerate(matrices):
        payload = coder.encode(values)
        received[index] = coder.decode(payload, values.shape)
        if delivery is not None:
            rng = generator(index // per_seed, str(delivery.harm), "harm", index % per_seed)
            received[index] = delivery.harmed(received[index], case.level, len(payload), calibration, rng)
    return received


def table(subject: Subject, results: Mapping[Case, Results]) -> QualityTable:
    """Return the table of results, with intervals."""
    rows = (
        QualityRow(*case, float(each.losses.mean()), *mean_interval(each.losses), float(each.agreements.mean()))
        for case, each in results.items()
    )
    loss = float(subject.unharmed.losses.mean())
    return QualityTable(subject.name, subject.unit, loss if subject.unit == "nats a token" else 1 - loss, tuple(rows))
