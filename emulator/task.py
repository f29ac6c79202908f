"""Tasks and placements: one inference, and which node runs which of its layers."""

from dataclasses import dataclass
from typing import NamedTuple

from emulator.profile import TOKEN_BYTES, ModelProfile


@dataclass(frozen=True)
class TaskKind:
    """What the tasks of one sort have in common.

    `input_bytes` is the encoded input as it is sent when the first layer runs elsewhere
    (language models: the prompt's token ids instead), `result_bytes` what goes back to the source
    (language models: the output's token ids), `precision` that of activations on the wire.
    """

    name: str
    model: ModelProfile
    input_bytes: int
    result_bytes: int
    precision: str
    deadline_ns: int


class Task(NamedTuple):
    """One inference, asked for at `source`; `number` counts the source's tasks of this kind from 0."""

    source: str
    kind: TaskKind
    number: int
    arrival_ns: int
    prompt_tokens: int = 0
    output_tokens: int = 0


class Partition(NamedTuple):
    """Layers `first` up to, not including, `stop`, run by `node`."""

    node: str
    first: int
    stop: int


Placement = tuple[Partition, ...]


class Pass(NamedTuple):
    """One walk through all partitions: an image, a prompt (prefill), or one more token (decode)."""

    tokens: int
    context: int


def passes(task: Task) -> list[Pass]:
    """The passes of a task. Prefill attends to half its own length on average; the k-th decoded
    token to the prompt and the k tokens before it. The prefill yields the first output token."""
    if task.kind.model.family == "vision":
        return [Pass(1, 0)]
    prompt = task.prompt_tokens
    return [Pass(prompt, prompt // 2)] + [Pass(1, prompt + k) for k in range(1, task.output_tokens)]


def input_bytes(task: Task) -> int:
    """What crosses the links when the first layer does not run at the source."""
    return task.prompt_tokens * TOKEN_BYTES or task.kind.input_bytes


def result_bytes(task: Task) -> int:
    """What goes back to the source when the last layer does not run there."""
    return task.output_tokens * TOKEN_BYTES or task.kind.result_bytes


def message_bytes(task: Task, placement: Placement, step: int, stage: int) -> int:
    """Bytes of the message to a stage in pass `step`; the result is the stage after the last."""
    if stage == len(placement):
        return result_bytes(task)
    if stage == 0:
        return TOKEN_BYTES if step else input_bytes(task)
    model = task.kind.model
    tokens = task.prompt_tokens if model.family == "causal_lm" and step == 0 else 1
    return model.activation_bytes(placement[stage - 1].stop, tokens, task.kind.precision)


def describe(placement: Placement) -> str:
    """A placement as text, `ue1:0-5|edge1:5-16`: unambiguous, and what records and files carry."""
    return "|".join(f"{node}:{first}-{stop}" for node, first, stop in placement)


def parse(text: str) -> Placement:
    """The inverse of `describe`. Raises ValueError on anything else."""
    placement = []
    for part in text.split("|"):
        node, _, layers = part.rpartition(":")
        first, dash, stop = layers.partition("-")
        if not (node and dash and first.isdigit() and stop.isdigit()):
            raise ValueError(f"placement {text!r}: must look like 'ue1:0-5|edge1:5-16'")
        placement.append(Partition(node, int(first), int(stop)))
    return tuple(placement)


def check_placement(placement: Placement, model: ModelProfile) -> None:
    """Raise ValueError unless the partitions are non-empty and cover the model's layers in order."""
    edge = 0
    for node, first, stop in placement:
        if first != edge or stop <= first:
            raise ValueError(f"placement {describe(placement)!r}: partition of {node} must start at layer {edge}")
        edge = stop
    if edge != len(model.layers):
        raise ValueError(f"placement {describe(placement)!r}: must end at layer {len(model.layers)} of {model.name}")
