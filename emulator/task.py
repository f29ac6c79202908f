"""Tasks and placements: one inference, and which node runs which of its layers."""

from dataclasses import dataclass
from typing import NamedTuple

from emulator.activation.delivery import ActivationDelivery
from emulator.deadlines import NO_DEADLINE_NS
from emulator.profile import ModelProfile


@dataclass(frozen=True)
class TaskKind:
    """Common properties of tasks of one kind.

    `input_bytes`: size of the encoded input, sent if the first layer runs on another node (language models send the
    prompt's token ids instead). `result_bytes`: size of the result (language models: the output's token ids).
    `deadline_ns`: of the time from arrival to result; `deadline_ttft_ns`, `deadline_token_ns`: of the time to first
    token and the mean time of each further token. `codecs`: those that a placement may send activations in; the first
    is the default. `delivery`: how activations cross unacknowledged bearers; None: as they are, and input and
    result like them.
    """

    name: str
    model: ModelProfile
    input_bytes: int
    result_bytes: int
    codecs: tuple[str, ...]
    deadline_ns: int
    deadline_ttft_ns: int = NO_DEADLINE_NS
    deadline_token_ns: int = NO_DEADLINE_NS
    delivery: ActivationDelivery | None = None

    def codec_of(self, partition: "Partition") -> str:
        """Return the codec of the activation that a partition takes, the default included; empty for the input."""
        return partition.codec or self.codecs[0] if partition.first else ""


class Task(NamedTuple):
    """One inference that `source` asks for; `number` counts the source's tasks of this kind from 0."""

    source: str
    kind: TaskKind
    number: int
    arrival_ns: int
    prompt_tokens: int = 0
    output_tokens: int = 0


class Partition(NamedTuple):
    """Layers `first` up to, not including, `stop`, which `node` runs. `codec` encodes the activation that they take:
    empty for the default of the task's kind, and where the input is the task's."""

    node: str
    first: int
    stop: int
    codec: str = ""


Placement = tuple[Partition, ...]


class Pass(NamedTuple):
    """One computation of all layers: of an image, a prompt (prefill), or one more token (decode)."""

    tokens: int
    context: int


def passes(task: Task) -> list[Pass]:
    """Return the passes of a task. Prefill attends to half its own length on average; the k-th decoded token to the
    prompt and the k tokens before it. The prefill yields the first output token."""
    if task.kind.model.family == "vision":
        return [Pass(1, 0)]
    prompt = task.prompt_tokens
    return [Pass(prompt, prompt // 2)] + [Pass(1, prompt + k) for k in range(1, task.output_tokens)]


def describe(placement: Placement) -> str:
    """Return a placement as text, `ue1:0-5|edge1:5-16@int4`, as records and files have it."""
    return "|".join(f"{node}:{first}-{stop}" + f"@{codec}" * bool(codec) for node, first, stop, codec in placement)


def parse(text: str) -> Placement:
    """Return the placement of a text by `describe`. Raises ValueError for any other text."""
    placement = []
    for part in text.split("|"):
        node, _, layers = part.rpartition(":")
        span, at, codec = layers.partition("@")
        first, dash, stop = span.partition("-")
        if not (node and dash and first.isdigit() and stop.isdigit() and bool(at) == bool(codec)):
            raise ValueError(f"placement {text!r}: must look like 'ue1:0-5|edge1:5-16' or 'ue1:0-5|edge1:5-16@int4'")
        placement.append(Partition(node, int(first), int(stop), codec))
    return tuple(placement)


def check_placement(placement: Placement, kind: TaskKind) -> None:
    """Raise ValueError unless the partitions are non-empty and cover the layers of the kind's model in order, and each
    codec is one of the kind's."""
    edge = 0
    for node, first, stop, codec in placement:
        if first != edge or stop <= first:
            raise ValueError(f"placement {describe(placement)!r}: partition of {node} must start at layer {edge}")
        if codec and first == 0:
            raise ValueError(f"placement {describe(placement)!r}: {node} must have no codec, as it takes the input")
        if codec and codec not in kind.codecs:
            raise ValueError(f"placement {describe(placement)!r}: codec of {node} must be {' or '.join(kind.codecs)}")
        edge = stop
    layers = len(kind.model.layers)
    if edge != layers:
        raise ValueError(f"placement {describe(placement)!r}: must end at layer {layers} of {kind.model.name}")
