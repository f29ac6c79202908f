"""Sections of `tasks`: the inference tasks and their arrivals."""

from itertools import pairwise
from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from topologies.schema.base import (
    Count,
    Interval,
    Label,
    Names,
    NotNegative,
    Positive,
    Section,
    require_exactly_one,
    section_error,
    to_tuple,
)

CodecName = Literal["fp32", "fp16", "bf16", "int8", "int4", "topk10", "int8+outliers", "int4+outliers"]
_CODEC_NAME = {"enum": list(get_args(CodecName)), "type": "string"}
Codecs = Annotated[
    tuple[CodecName, ...],
    Field(strict=False, min_length=1),
    BeforeValidator(to_tuple),
    WithJsonSchema({"anyOf": [_CODEC_NAME, {"type": "array", "items": _CODEC_NAME, "minItems": 1}]}),
]


class PoissonSection(Section):
    """Poisson process: exponential times between arrivals."""

    rate_per_s: Positive
    """Mean number of arrivals per second at each source."""


class PeriodicSection(Section):
    """One arrival per interval."""

    interval_ms: Annotated[float, Field(ge=0.001, le=1e9)]
    """Time from one arrival to the next."""
    phase_ms: NotNegative = 0.0
    """Time of the first arrival, from the start of the run."""


class RecordedSection(Section):
    """Recorded arrivals: given here, in a JSON file with the same keys, or in a trace of requests."""

    file: str | None = None
    """JSON file with `arrival_ns` and, for language models, `prompt_tokens` and `output_tokens`; or see `format`."""
    format: Literal["azure"] | None = None
    """`azure`: the file is CSV as the Azure LLM inference traces: `TIMESTAMP,ContextTokens,GeneratedTokens`."""
    interval_s: Interval | None = None
    """Part of an Azure trace, in s from its first request; it begins with the run. Default: the whole trace."""
    time_scale: Positive | None = None
    """Factor for the times of an Azure trace: above 1, requests come more rarely. Default: 1."""
    prompt_max: Count | None = None
    """Longest prompt of an Azure trace's requests; longer ones are truncated. Default: as recorded."""
    output_max: Count | None = None
    """Longest output of an Azure trace's requests; longer ones are truncated. Default: as recorded."""
    arrival_ns: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)] | None = None
    """Times of the arrivals in ns, from the start of the run, in ascending order."""
    prompt_tokens: Annotated[tuple[Count, ...], Field(strict=False)] = ()
    """Length of each request's prompt in tokens; default: drawn as `tokens` of the task says."""
    output_tokens: Annotated[tuple[Count, ...], Field(strict=False)] = ()
    """Length of each request's output in tokens; default: drawn as `tokens` of the task says."""

    @model_validator(mode="after")
    def _source(self) -> Self:
        require_exactly_one(self, "file", "arrival_ns")
        if self.format is not None and self.file is None:
            raise section_error("format must only be given with file")
        for name in ("interval_s", "time_scale", "prompt_max", "output_max"):
            if getattr(self, name) is not None and self.format is None:
                raise section_error(f"{name} must only be given with format=azure")
        if self.interval_s is not None and self.interval_s[0] >= self.interval_s[1]:
            raise section_error("interval_s must be two ascending times")
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
    format: None = None
    arrival_ns: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)]


class ArrivalsSection(Section):
    """Arrival process of a task, independent at each source."""

    poisson: PoissonSection | None = None
    """Arrivals at random times."""
    periodic: PeriodicSection | None = None
    """Arrivals at equal intervals."""
    recorded: RecordedSection | None = None
    """Arrivals at given times."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        require_exactly_one(self, "poisson", "periodic", "recorded")
        return self


class TokensSection(Section):
    """Token counts of a language model's requests: geometric with these means, truncated at these maxima."""

    prompt_mean: Count | None = None
    """Mean length of a prompt; at most `prompt_max`. Not with `prompts`, which have their own lengths."""
    prompt_max: Count
    """Longest prompt; longer ones of `prompts` are truncated."""
    output_mean: Count
    """Mean length of an output; at most `output_max`."""
    output_max: Count
    """Longest output."""

    @model_validator(mode="after")
    def _means(self) -> Self:
        for name, mean, most in (
            ("prompt", self.prompt_mean, self.prompt_max),
            ("output", self.output_mean, self.output_max),
        ):
            if mean is not None and mean > most:
                raise section_error(f"{name}_mean={mean}: must be at most {name}_max, {most}")
        return self


class PromptsSection(Section):
    """Texts of a language model's requests; each chooses one by a draw of its own."""

    file: str | None = None
    """Text file in UTF-8."""
    shipped: Literal["pydoc-topics"] | None = None
    """`pydoc-topics`: the paragraphs of the help texts that come with Python."""
    separator: Literal["line", "paragraph"] = "line"
    """Whether each line of the file is a prompt, or each paragraph; blank lines separate paragraphs."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Digest of the texts; others are refused. Default: any."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        require_exactly_one(self, "file", "shipped")
        return self


class ImagesSection(Section):
    """Images of a vision model's requests; each chooses one by a draw of its own."""

    dataset: Literal["fashion-mnist", "photographs"] | None = None
    """`fashion-mnist`: its test images, with labels; `photographs`: crops of those that scikit-image brings."""
    folder: str | None = None
    """Folder whose files are the images, without labels: the largest square in the middle of each."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Digest of the folder's images; others are refused. Default: any."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        require_exactly_one(self, "dataset", "folder")
        if self.sha256 is not None and self.folder is None:
            raise section_error("sha256 must be given with folder alone")
        return self


class TaskSection(Section):
    """An inference task that some UEs request."""

    name: Label
    """Name of the task, unique in the scenario."""
    model: str
    """Name of a shipped model (`airsplit models`), or one of the scenario's `models`."""
    sources: Names
    """Names of UEs, or `all`."""
    arrivals: ArrivalsSection
    """When tasks arrive, independently at each source."""
    deadline_ms: Positive
    """Time from arrival to result within which a task counts as in time."""
    deadline_ttft_ms: Positive | None = None
    """Time from arrival to the first token, within which a language model's task counts as in time; default: any."""
    deadline_token_ms: Positive | None = None
    """Mean time of each further token within which a language model's task counts as in time; default: any."""
    input_kb: NotNegative = 0.0
    """Size of the encoded input, sent if the first layer runs elsewhere (language models send token ids instead)."""
    result_kb: NotNegative = 0.0
    """Size of the result that is sent back to the source (1000 bytes); language models send token ids instead."""
    activation: Codecs = ("int8",)
    """Codec of transmitted activations, or a list of them: every placement with a cut is then a candidate in each."""
    delivery: str | None = None
    """How activations cross a bearer `um`: a harm that was measured, and what is done against it, such as
    `packets:1500/scatter/mean/t1/d4`; default: nothing is done."""
    quality: str | None = None
    """Quality table, a JSON file of `airsplit quality`; default: the shipped one of the model."""
    tokens: TokensSection | None = None
    """Lengths of requests; for language models, which need it unless recorded arrivals have lengths."""
    prompts: PromptsSection | None = None
    """Texts of a trained language model's requests, whose lengths in tokens are then those of the prompts."""
    images: ImagesSection | None = None
    """Images of a vision model's requests, on which hosts and stations compute; default: drawn pixels."""
    cuts: Annotated[tuple[Count, ...], Field(strict=False)] | None = None
    """Allowed cuts, cut c lying before layer c; default: all. `[]` forbids splitting."""
    max_partitions: Annotated[int, Field(ge=1, le=8)] = 2
    """Most partitions of a placement, each on another node."""
    transport: Literal["mqtt", "tcp", "udp"] = "mqtt"
    """MQTT and TCP need acknowledged bearers; `udp` works over both."""
