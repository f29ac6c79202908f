"""The partitions that a node runs, from the bytes of a message to those of the next. Importing this imports torch."""

import struct
from hashlib import sha256

import torch

from hil.codec import Precision, decode_elements, encode_elements
from hil.deployment import LayerId
from hil.errors import Malformed
from hil.runtime import Runtime
from hil.stations.messages import MessageKey, StationMessage
from hil.stations.schedule import Job, Leg, Schedule
from hil.stations.weight_cache import WeightCache

_TOKEN = struct.Struct("<i")


class NodeLayers:
    """One node's layers of all its plans, drawn and warm, but for partitions that its memory does not take.

    A language model has no cache of keys and values here: a pass for one more token computes on that token alone
    and is held to the model's time, so that what it takes is right and what it says is not.
    """

    def __init__(self, schedule: Schedule, node: str) -> None:
        """Draw and run everything once, which takes seconds. Raises ValueError for an unknown model."""
        self._schedule = schedule
        self._runtime = Runtime()
        self._said: dict[int, list[int]] = {}  # the tokens so far of jobs whose last partition is here
        self._shapes: dict[tuple[str, int], tuple[int, ...]] = {}  # of one image or token, at a cut
        self._inputs: dict[tuple[str, int, int], torch.Tensor] = {}
        memory = WeightCache(schedule.computers[node], schedule.weight_bytes)
        for plan, (_, first, stop) in schedule.parts_of(node):
            one = self._runtime.synthetic_input(plan.model, schedule.weights_seed, first, 1)
            self._shapes[plan.model, first] = tuple(one.shape)
            if memory.fits(plan.model, first, stop):
                self._prepare(plan.model, first, stop, one)
        for job in schedule.jobs:
            if schedule.plan(job).placement[0].node == node:
                key = self._input_key(job)
                if key not in self._inputs:
                    self._inputs[key] = self._runtime.task_input(*key)

    def input(self, job: Job) -> torch.Tensor:
        """What the first partition computes on."""
        return self._inputs[self._input_key(job)]

    def decode(self, job: Job, message: StationMessage) -> torch.Tensor:
        """What a partition computes on, from the message that came for it: of an activation the values, of a token
        its number; an image or prompt is as long as it should be and stands for the input. Raises ValueError
        where it does not fit."""
        plan, (_, step, stage) = self._schedule.plan(job), message.key
        if stage == 0 and step == 0:
            return self.input(job)
        if stage == 0:
            if len(message.data) != _TOKEN.size:
                raise Malformed(f"token: {len(message.data)} bytes: must be {_TOKEN.size}")
            return torch.tensor([_TOKEN.unpack(message.data)])
        shape = self._shapes[plan.model, plan.placement[stage].first]
        if plan.tokens:
            shape = (1, job.prompt_tokens if step == 0 else 1, *shape[2:])
        values = decode_elements(message.data, Precision[plan.precision], message.scale, shape)
        return self._runtime.from_wire(plan.model, values)

    def run(self, job: Job, key: MessageKey, x: torch.Tensor) -> torch.Tensor:
        """The output of a partition in one pass; of the only partition of a language model in all its passes, of
        which the first one's output counts."""
        plan = self._schedule.plan(job)
        _, first, stop = plan.placement[key.stage]
        output, _ = self._runtime.run(plan.model, self._schedule.weights_seed, first, stop, x)
        if plan.tokens and len(plan.placement) == 1:
            said = [_next_token(output)]
            for _ in range(1, job.output_tokens):
                one = torch.tensor([[said[-1]]])
                scores, _ = self._runtime.run(plan.model, self._schedule.weights_seed, first, stop, one)
                said.append(_next_token(scores))
            self._said[key.job] = said
        return output

    def conclude(self, job: Job, key: MessageKey, output: torch.Tensor) -> int:
        """Of a last partition's output: note the token that it says, and return the head of the SHA-256 of its
        scores in fp32. Of any other's: 0."""
        plan = self._schedule.plan(job)
        if key.stage + 1 < len(plan.placement):
            return 0
        if plan.tokens and len(plan.placement) > 1:
            self._said.setdefault(key.job, []).append(_next_token(output))
        answer = self._runtime.answer(plan.model, output)
        return int.from_bytes(sha256(answer.tobytes()).digest()[:8], "little")

    def encode(self, job: Job, key: MessageKey, leg: Leg, output: torch.Tensor) -> StationMessage:
        """The message that a partition's output goes on in: an activation, a token, or the result, which is the
        tokens or as much of the scores as it has room for. Raises ValueError for values that are not finite."""
        plan, onward = self._schedule.plan(job), MessageKey(key.job, leg.step, leg.stage)
        if 0 < leg.stage < len(plan.placement):
            data, scale = encode_elements(self._runtime.to_wire(output), Precision[plan.precision])
            return StationMessage(onward, scale, data)
        said = self._said.get(key.job, [])
        if leg.stage == 0:
            return StationMessage(onward, 1.0, _TOKEN.pack(said[-1]))
        scores = b"" if plan.tokens else self._runtime.answer(plan.model, output).tobytes()
        data = scores or b"".join(map(_TOKEN.pack, said))
        self.forget(key)
        return StationMessage(onward, 1.0, data[: leg.size_bytes].ljust(leg.size_bytes, b"\0"))

    def hand_on(self, key: MessageKey, leg: Leg, output: torch.Tensor) -> torch.Tensor:
        """What the next partition computes on where it is on this node too: the output itself, or the token."""
        return torch.tensor([[self._said[key.job][-1]]]) if leg.stage == 0 else output

    def forget(self, key: MessageKey) -> None:
        """A job has ended here."""
        self._said.pop(key.job, None)

    def _prepare(self, model: str, first: int, stop: int, one: torch.Tensor) -> None:
        """Draw a partition's layers and warm them up, for long inputs and for a single image or token."""
        seed = self._schedule.weights_seed
        for index in range(first, stop):
            self._runtime.draw(LayerId(model, seed, index))
        self._runtime.warm_up(model, seed, first, stop)
        self._runtime.run(model, seed, first, stop, one)

    def _input_key(self, job: Job) -> tuple[str, int, int]:
        return self._schedule.plan(job).model, job.input_seed, job.prompt_tokens or 1


def _next_token(scores: torch.Tensor) -> int:
    return int(scores[0, -1].argmax())
