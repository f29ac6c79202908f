"""The legs of a task: the one place that says what a placement makes a task send and compute, and in which order.

A leg is a message and the visit that follows it: the message goes from `source` to `target`, whose device then runs
the layers `first` up to, not including, `stop`. The last leg brings the result to the task's source and has no layers.
"""

from collections.abc import Iterator
from typing import NamedTuple

from emulator.activation.codecs import CODECS
from emulator.profile import TOKEN_BYTES
from emulator.task import Partition, Pass, Placement, Task, TaskKind, passes

ALL_BYTES = 2**62  # acknowledged: the whole message


class Leg(NamedTuple):
    """Leg of pass `step` to partition `stage`; the result is the stage after the last. A leg of `size_bytes` 0 sends
    nothing; its first `acknowledged_bytes` are acknowledged on every bearer. `codec` is that of an activation,
    otherwise empty. The visit computes `passes` one after the other: all of them if they never leave the node."""

    step: int
    stage: int
    source: str
    target: str
    size_bytes: int
    acknowledged_bytes: int
    first: int
    stop: int
    passes: tuple[Pass, ...]
    codec: str


class LegTemplate(NamedTuple):
    """A leg of all tasks of one kind. Its message has `prompt_bytes` for each token of the prompt and `output_bytes`
    for each token of the output, or `fixed_bytes` where that is 0; `codec` is that of an activation, otherwise empty.
    `acknowledged_fixed` and `acknowledged_prompt` for each token of the prompt, but at most all, are acknowledged."""

    stage: int
    source: str
    target: str
    first: int
    stop: int
    fixed_bytes: int
    prompt_bytes: int = 0
    output_bytes: int = 0
    codec: str = ""
    acknowledged_fixed: int = 0
    acknowledged_prompt: int = 0

    def size_bytes(self, prompt_tokens: int, output_tokens: int) -> int:
        """Return the size of the message of a task with these lengths."""
        return self.prompt_bytes * prompt_tokens + self.output_bytes * output_tokens or self.fixed_bytes

    def acknowledged_bytes(self, prompt_tokens: int, output_tokens: int) -> int:
        """Return how much of that message is acknowledged on an unacknowledged bearer too."""
        protected = self.acknowledged_fixed + self.acknowledged_prompt * prompt_tokens
        return min(self.size_bytes(prompt_tokens, output_tokens), protected)


class LegPlan(NamedTuple):
    """The legs of all tasks of one source and kind under one placement: `once` for the first pass, `again` for each
    further one, then `result`. All passes are one visit, and `again` is empty, where no partition hands on a token."""

    once: tuple[LegTemplate, ...]
    again: tuple[LegTemplate, ...]
    result: LegTemplate

    def steps(self, output_tokens: int) -> int:
        """Return how often a task with so many tokens of output goes through its partitions."""
        return max(1, output_tokens) if self.again else 1

    def leg(self, index: int, prompt_tokens: int, output_tokens: int, visit: tuple[Pass, ...] = ()) -> Leg:
        """Return the leg number `index` of a task with these lengths, counted from 0."""
        step, stage = divmod(index, len(self.once))
        if step == self.steps(output_tokens):
            step, template = step - 1, self.result
        else:
            template = self.again[stage] if step else self.once[stage]
        size_bytes = template.size_bytes(prompt_tokens, output_tokens)
        protected = template.acknowledged_bytes(prompt_tokens, output_tokens)
        return Leg(step, *template[:3], size_bytes, protected, template.first, template.stop, visit, template.codec)


def plan_legs(kind: TaskKind, source: str, placement: Placement) -> LegPlan:
    """Return the legs of a source's tasks of one kind under a placement."""
    nodes = [source, *(partition.node for partition in placement)]
    steps = list(zip(nodes, placement, strict=False))
    once = tuple(first_leg(kind, stage, node, partition) for stage, (node, partition) in enumerate(steps))
    again: tuple[LegTemplate, ...] = ()
    if kind.model.family == "causal_lm" and len(placement) > 1:
        steps[0] = (nodes[-1], placement[0])
        again = tuple(token_leg(kind, stage, node, partition) for stage, (node, partition) in enumerate(steps))
    return LegPlan(once, again, result_leg(kind, len(placement), nodes[-1], source))


def first_leg(kind: TaskKind, stage: int, source: str, partition: Partition) -> LegTemplate:
    """Return the leg of the first pass to a partition: the prompt's token ids, the encoded input, or activations."""
    node, first, stop, _ = partition
    if first == 0:
        protected = _whole(kind)
        return LegTemplate(stage, source, node, first, stop, kind.input_bytes, TOKEN_BYTES, 0, "", protected)
    codec = kind.codec_of(partition)
    size_bytes = kind.model.activation_bytes(first, 1, codec)
    protected = _protected_bytes(kind, partition)
    if kind.model.family == "causal_lm":
        tokens = kind.delivery.recipe.protection.tokens if kind.delivery else 0
        fixed = tokens * (size_bytes - protected)
        return LegTemplate(stage, source, node, first, stop, 0, size_bytes, 0, codec, fixed, protected)
    return LegTemplate(stage, source, node, first, stop, size_bytes, 0, 0, codec, protected)


def token_leg(kind: TaskKind, stage: int, source: str, partition: Partition) -> LegTemplate:
    """Return the leg of a further pass to a partition: the new token's id, or its activations."""
    node, first, stop, _ = partition
    codec = kind.codec_of(partition)
    if not codec:
        return LegTemplate(stage, source, node, first, stop, TOKEN_BYTES, acknowledged_fixed=_whole(kind))
    size_bytes, protected = kind.model.activation_bytes(first, 1, codec), _protected_bytes(kind, partition)
    return LegTemplate(stage, source, node, first, stop, size_bytes, 0, 0, codec, protected)


def result_leg(kind: TaskKind, stage: int, source: str, target: str) -> LegTemplate:
    """Return the leg of the result: the output's token ids, or `result_bytes` of the kind."""
    layers = len(kind.model.layers)
    return LegTemplate(stage, source, target, layers, layers, kind.result_bytes, 0, TOKEN_BYTES, "", _whole(kind))


def _whole(kind: TaskKind) -> int:
    """Return how much of an input, token or result is acknowledged: all, if the kind says how activations are
    delivered."""
    return ALL_BYTES if kind.delivery is not None else 0


def _protected_bytes(kind: TaskKind, partition: Partition) -> int:
    """Return the acknowledged bytes of a token (an image) that is not protected as a whole: the codec's side
    information and the protected dimensions, each in bytes of its own."""
    if kind.delivery is None:
        return 0
    codec, elements = CODECS[kind.codec_of(partition)], kind.model.layers[partition.first - 1].activation_elements
    side_bytes = codec.side_bytes(elements)
    dimensions = min(kind.delivery.recipe.protection.dimensions, elements)
    return min(codec.token_bytes(elements), side_bytes + dimensions * codec.unit_bytes(elements))


def legs(task: Task, placement: Placement, plan: LegPlan | None = None) -> Iterator[Leg]:
    """Yield the legs of a task in order; `plan` is that of the placement, where it is known already."""
    plan = plan or plan_legs(task.kind, task.source, placement)
    every_pass = tuple(passes(task))
    visits = [(each,) for each in every_pass] if plan.again else [every_pass]
    for index in range(len(visits) * len(placement)):
        visit = visits[index // len(placement)]
        yield plan.leg(index, task.prompt_tokens, task.output_tokens, visit)
    yield plan.leg(len(visits) * len(placement), task.prompt_tokens, task.output_tokens)
