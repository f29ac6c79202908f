"""Arrivals of tasks, and the lengths of language-model requests."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emulator.core.randomness import generator
from emulator.core.units import NS_PER_S
from emulator.task import Task, TaskKind

CHUNK = 1_024  # lengths drawn at a time, so that memory does not grow with the run
GAPS = 64  # gaps drawn at a time; affects speed and memory only, as each is the next draw of its generator
GAP_LIMIT_NS = 2**62  # longer than any run; a tiny rate can draw gaps that do not fit an int64


@dataclass(frozen=True)
class Poisson:
    """A Poisson process: independent exponential gaps with mean 1 / `rate_per_s`."""

    rate_per_s: float


@dataclass(frozen=True)
class Periodic:
    """One arrival every `interval_ns`, the first at `phase_ns`."""

    interval_ns: int
    phase_ns: int = 0


@dataclass(frozen=True)
class Recorded:
    """Arrivals at given times, in ascending order; for a language model also lengths in tokens."""

    arrival_ns: tuple[int, ...]
    prompt_tokens: tuple[int, ...] = ()
    output_tokens: tuple[int, ...] = ()


Arrivals = Poisson | Periodic | Recorded


@dataclass(frozen=True)
class Tokens:
    """Lengths of language-model requests: geometric with the given means, truncated at the given maxima. `prompts`: the
    token ids of the texts that requests choose from (`chosen_prompt`), each of at least one and at most `prompt_max`;
    their lengths are then not drawn."""

    prompt_mean: int
    prompt_max: int
    output_mean: int
    output_max: int
    prompts: tuple[tuple[int, ...], ...] = ()


def chosen_prompts(seed: int, source: str, kind: str, chunk: int, prompts: int) -> NDArray[np.int64]:
    """Return which of the prompts the CHUNK tasks from number `chunk` * CHUNK on have, each with equal probability."""
    return generator(seed, source, f"prompts of {kind}", chunk).integers(prompts, size=CHUNK)


def chosen_prompt(seed: int, task: Task, prompts: int) -> int:
    """Return which of the prompts a task has."""
    chunk, number = divmod(task.number, CHUNK)
    return int(chosen_prompts(seed, task.source, task.kind.name, chunk, prompts)[number])


class TaskImage(NamedTuple):
    """An image of a data set, by its number in it."""

    dataset: str
    number: int


@dataclass(frozen=True)
class Images:
    """A data set from which each request of a vision model chooses one image, and the number of its images; or the
    `files` that the data set consists of."""

    dataset: str
    count: int
    files: tuple[str, ...] = ()


def chosen_image(seed: int, task: Task, images: Images) -> TaskImage:
    """Return the image that a task has, each with equal probability."""
    chunk, number = divmod(task.number, CHUNK)
    rng = generator(seed, task.source, f"images of {task.kind.name}", chunk)
    chosen = int(rng.integers(images.count, size=CHUNK)[number])
    return TaskImage(images.files[chosen] if images.files else images.dataset, chosen)


@dataclass(frozen=True)
class Stream:
    """The tasks of one kind that one source generates."""

    source: str
    kind: TaskKind
    arrivals: Arrivals
    tokens: Tokens | None = None
    images: Images | None = None

    def tasks(self, seed: int, duration_ns: int) -> Iterator[Task]:
        """Yield the tasks that arrive in [0, `duration_ns`), in order. The draws are addressed by source and kind,
        so that no other stream changes them."""
        lengths = self._lengths(seed)
        for number, arrival_ns in enumerate(self._arrivals(seed)):
            if arrival_ns >= duration_ns:
                return
            prompt, output = next(lengths)
            yield Task(self.source, self.kind, number, arrival_ns, prompt, output)

    def _arrivals(self, seed: int) -> Iterator[int]:
        match self.arrivals:
            case Recorded(arrival_ns):
                yield from arrival_ns
            case Periodic(interval_ns, phase_ns):
                while True:
                    yield phase_ns
                    phase_ns += interval_ns
            case Poisson(rate_per_s):
                rng = generator(seed, self.source, f"arrivals of {self.kind.name}")
                now_ns = 0
                while True:
                    gaps = np.rint(np.minimum(rng.exponential(NS_PER_S / rate_per_s, GAPS), GAP_LIMIT_NS))
                    for gap_ns in gaps.astype(np.int64).tolist():  # summed as Python integers, which never overflow
                        now_ns += gap_ns
                        yield now_ns

    def _lengths(self, seed: int) -> Iterator[tuple[int, int]]:
        if isinstance(self.arrivals, Recorded) and self.arrivals.prompt_tokens:
            yield from zip(self.arrivals.prompt_tokens, self.arrivals.output_tokens, strict=True)
        if self.tokens is None:
            while True:
                yield 0, 0
        rng = generator(seed, self.source, f"lengths of {self.kind.name}")
        tokens = self.tokens
        for chunk in count():
            prompts = np.minimum(rng.geometric(1 / tokens.prompt_mean, CHUNK), tokens.prompt_max)
            outputs = np.minimum(rng.geometric(1 / tokens.output_mean, CHUNK), tokens.output_max)
            if tokens.prompts:
                chosen = chosen_prompts(seed, self.source, self.kind.name, chunk, len(tokens.prompts))
                prompts = np.array([len(tokens.prompts[each]) for each in chosen])
            yield from zip(prompts.tolist(), outputs.tolist(), strict=True)
