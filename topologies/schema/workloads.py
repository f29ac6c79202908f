"""Sections of `tasks`: the inference tasks and their arrivals."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from topologies.schema.base import (
    Count,
    Label,
    Names,
    NotNegative,
    Positive,
    Section,
    require_exactly_one,
    section_error,
)


class PoissonSection(Section):
    """Poisson process: exponential times between arrivals."""

    rate_per_s: Positive


class PeriodicSection(Section):
    """One arrival per interval."""

    interval_ms: Annotated[float, Field(ge=0.001, le=1e9)]
    phase_ms: NotNegative = 0.0


class RecordedSection(Section):
    """Recorded arrivals: given here, or in a JSON file with the same keys."""

    file: str | None = None
    arrival_ns: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)] | None = None
    prompt_tokens: Annotated[tuple[Count, ...], Field(strict=False)] = ()
    output_tokens: Annotated[tuple[Count, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _source(self) -> Self:
        require_exactly_one(self, "file", "arrival_ns")
        arrivals = self.arrival_ns or ()
        if any(a > b for a, b in pairwise(arrivals)):
            raise section_error("arrival_ns must not decrease")
        if {len(self.prompt_tokens), len(self.output_tokens)} - {len(arrivals)} and (
            self.prompt_tokens or self.output_tokens
        ):
            raise section_error("prompt_tokens and output_tokens must be as many as arrival_ns")
        return self


class RecordedFileSection(RecordedSection):
    """Contents of a file of recorded arrivals: the times, not the name of another file."""

    file: None = None
    arrival_ns: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)]


class ArrivalsSection(Section):
    """Arrival process of a task, independent at each source."""

    poisson: PoissonSection | None = None
    periodic: PeriodicSection | None = None
    recorded: RecordedSection | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        require_exactly_one(self, "poisson", "periodic", "recorded")
        return self


class TokensSection(Section):
    """Token counts of a language model's requests: geometric with these means, truncated at these maxima."""

    prompt_mean: Count
    prompt_max: Count
    output_mean: Count
    output_max: Count

    @model_validator(mode="after")
    def _means(self) -> Self:
        for name, mean, most in (
            ("prompt", self.prompt_mean, self.prompt_max),
            ("output", self.output_mean, self.output_max),
        ):
            if mean > most:
                raise section_error(f"{name}_mean={mean}: must be at most {name}_max, {most}")
        return self


class TaskSection(Section):
    """An inference task that some UEs request."""

    name: Label
    model: str
    sources: Names
    """Names of UEs, or `all`."""
    arrivals: ArrivalsSection
    deadline_ms: Positive
    input_kb: NotNegative = 0.0
    """Size of the encoded input, sent if the first layer runs elsewhere (language models send token ids instead)."""
    result_kb: NotNegative = 0.0
    activation: Literal["int8", "fp16", "fp32"] = "int8"
    """Precision of transmitted activations."""
    tokens: TokensSection | None = None
    cuts: Annotated[tuple[Count, ...], Field(strict=False)] | None = None
    """Allowed cuts, cut c lying before layer c; default: all. `[]` forbids splitting."""
    max_partitions: Annotated[int, Field(ge=1, le=8)] = 2
    transport: Literal["mqtt", "tcp", "udp"] = "mqtt"
    """MQTT and TCP need acknowledged bearers; `udp` works over both."""
