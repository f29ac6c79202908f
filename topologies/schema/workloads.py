"""What is asked for, and when: the sections of a scenario's `tasks`."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from topologies.schema.base import Count, Label, Names, NotNegative, Positive, Section, exactly_one, rule


class PoissonSection(Section):
    """Independent exponential gaps."""

    rate_per_s: Positive


class PeriodicSection(Section):
    """One arrival each interval."""

    interval_ms: Annotated[float, Field(ge=0.001, le=1e9)]
    phase_ms: NotNegative = 0.0


class RecordedSection(Section):
    """Arrivals as they were: given here, or in a JSON file with the same keys."""

    file: str | None = None
    arrival_ns: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)] | None = None
    prompt_tokens: Annotated[tuple[Count, ...], Field(strict=False)] = ()
    output_tokens: Annotated[tuple[Count, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _source(self) -> Self:
        exactly_one(self, "file", "arrival_ns")
        arrivals = self.arrival_ns or ()
        if any(a > b for a, b in pairwise(arrivals)):
            raise rule("arrival_ns must not decrease")
        if {len(self.prompt_tokens), len(self.output_tokens)} - {len(arrivals)} and (
            self.prompt_tokens or self.output_tokens
        ):
            raise rule("prompt_tokens and output_tokens must be as many as arrival_ns")
        return self


class RecordedFileSection(RecordedSection):
    """What a file of recorded arrivals holds: the times themselves, and no other file's name."""

    file: None = None
    arrival_ns: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)]


class ArrivalsSection(Section):
    """When tasks are asked for, at each source by itself."""

    poisson: PoissonSection | None = None
    periodic: PeriodicSection | None = None
    recorded: RecordedSection | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "poisson", "periodic", "recorded")
        return self


class TokensSection(Section):
    """Lengths of requests to a language model: geometric with these means, cut at these maxima."""

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
                raise rule(f"{name}_mean={mean}: must be at most {name}_max, {most}")
        return self


class TaskSection(Section):
    """A sort of inference that some UEs ask for."""

    name: Label
    model: str
    sources: Names
    """Names of UEs, or `all`."""
    arrivals: ArrivalsSection
    deadline_ms: Positive
    input_kb: NotNegative = 0.0
    """The encoded input, where the first layer runs elsewhere (language models send token ids instead)."""
    result_kb: NotNegative = 0.0
    activation: Literal["int8", "fp16", "fp32"] = "int8"
    """Precision of activations on the air."""
    tokens: TokensSection | None = None
    cuts: Annotated[tuple[Count, ...], Field(strict=False)] | None = None
    """Cuts that are allowed, cut c lying before layer c; without it, every one. `[]` forbids splitting."""
    max_partitions: Annotated[int, Field(ge=1, le=8)] = 2
    transport: Literal["mqtt", "tcp", "udp"] = "mqtt"
    """MQTT and TCP need acknowledged bearers; `udp` goes over both."""
