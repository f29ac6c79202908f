"""An answer of a run's language model, beside that of the unharmed model, as data for the report."""

from math import log
from pathlib import Path

from pydantic import ValidationError

from emulator.core.files import atomic_write
from results.run.manifest import Frozen

EXAMPLE_FILE = "example.json"


class Example(Frozen):
    """A prompt of a task under `policy`, and what the trained model writes after it: with the activations as its
    placement sends them, and unharmed. Perplexities are those of the prompt; `expected_loss`: nats a token, from the
    quality table; None if the run does not count quality."""

    policy: str
    kind: str
    source: str
    task: int
    placement: str
    codec: str
    prompt: str
    continuation: str
    unharmed_continuation: str
    perplexity: float
    unharmed_perplexity: float
    expected_loss: float | None

    @property
    def measured_loss(self) -> float:
        """The loss on this prompt alone, in nats a token."""
        return log(self.perplexity / self.unharmed_perplexity)


class Absence(Frozen):
    """Why there is no example of a run with a language model."""

    absent: str


def write_example(folder: Path, example: Example | Absence) -> None:
    """Write the example, or why there is none."""
    with atomic_write(folder / EXAMPLE_FILE) as partial:
        partial.write_text(example.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_example(folder: Path) -> Example | Absence | None:
    """Read what `write_example` wrote; None if nothing was. Raises ValueError, one line, for a damaged file."""
    path = folder / EXAMPLE_FILE
    if not path.is_file():
        return None
    data = path.read_bytes()
    try:
        return Absence.model_validate_json(data) if b'"absent"' in data[:20] else Example.model_validate_json(data)
    except ValidationError as error:
        raise ValueError(f"{path}: must be as airsplit wrote it: {error.errors()[0]['msg']}") from None
