"""Run a node's partitions: decode a message, compute, encode the next message. Importing this imports torch."""

import struct
import time
from hashlib import sha256
from math import prod
from pathlib import Path

import torch

from emulator.activation.codecs import CODECS
from emulator.legs import Leg
from hil.answers import Answer, answer_of
from hil.deployment import LayerId
from hil.runtime import Runtime
from hil.stations.inputs import job_input
from hil.stations.messages import MessageKey, StationMessage
from hil.stations.packings import Packings
from hil.stations.schedule import Schedule, StationJob
from hil.stations.weight_cache import fits
from hil.whole_models import TaskInput
from topologies.models.chain import Session
from topologies.models.language.folder_plan import folder_plan
from topologies.models.language.model_folder import ModelFolder

MAX_SESSIONS = 1_024
MAX_OUTPUTS = 32  # of unfinished tasks: 25 MB each for 128 tokens of a vocabulary of 49,152
_TOKEN = struct.Struct("<i")


class NodeLayers:
    """One node's layers of all its plans, with their weights and warmed up, except partitions too large for the node's
    memory. Each request to a language model has a key-value cache in each partition here, until its last pass.

    Requests that end before their last pass, such as those that lose a message, leave their caches; the oldest beyond
    MAX_SESSIONS are deleted.
    """

    def __init__(self, schedule: Schedule, node: str) -> None:
        """Load and warm up all layers, which takes seconds. Raises ValueError for an unknown model,
        MissingDependency without the images of its tasks."""
        self._schedule = schedule
        self._packings = Packings(schedule)
        self._runtime = Runtime()
        for name, model in schedule.models.items():
            self._runtime.adopt(folder_plan(name, ModelFolder(Path(model.folder)), model.dtype))
        self._sessions: dict[tuple[int, int], Session] = {}  # by job and partition
        self._tokens: dict[int, list[int]] = {}  # by job: tokens so far, where the last partition is here
        self._outputs: dict[int, torch.Tensor] = {}  # by job: the last partition's first output, until the last pass
        self._inputs: dict[TaskInput, torch.Tensor] = {}
        for plan, (_, first, stop, _) in schedule.partitions_of(node):
            self._runtime.activation_shape(plan.model, first)  # now, not during a task
            if fits(schedule.computers[node], schedule.weight_bytes[plan.model], first, stop):
                self._prepare(plan.model, first, stop)
        for job in schedule.jobs:
            if schedule.plan(job).placement[0].node == node:
                given = job_input(schedule.plan(job), job)
                if given not in self._inputs:
                    self._inputs[given] = given.tensor(self._runtime)

    def input(self, job: StationJob) -> torch.Tensor:
        """Return the input of the first partition."""
        return self._inputs[job_input(self._schedule.plan(job), job)]

    def decode(self, job: StationJob, message: StationMessage) -> torch.Tensor:
        """Return the input of a partition from the message received for it: an activation's values or a token's number.
        Lost parts of an activation are concealed as the task's kind says.
        An image or prompt message has the right size and random bytes: the input drawn beforehand is returned. Raises
        Malformed for a message of the wrong size."""
        plan, (_, step, stage) = self._schedule.plan(job), message.key
        self._schedule.require_size(job, step, stage, len(message.data))
        if stage == 0 and step == 0:
            return self.input(job)
        if stage == 0:
            return torch.tensor([_TOKEN.unpack(message.data)])
        shape = self._runtime.activation_shape(plan.model, plan.placement[stage].first)
        if plan.tokens:
            shape = (1, job.prompt_tokens if step == 0 else 1, *shape[2:])
        tokens = shape[1] if plan.tokens else 1
        values = self._packings.received(job, message, (tokens, prod(shape) // tokens))
        return self._runtime.from_wire(plan.model, plan.placement[stage].first, values.reshape(shape))

    def run(self, job: StationJob, key: MessageKey, x: torch.Tensor) -> tuple[torch.Tensor, int]:
        """Return the output of a partition in one pass, and when it was computed (ns of CLOCK_MONOTONIC). A language
        model in a single partition runs all its passes; the first one's output and time are returned."""
        plan = self._schedule.plan(job)
        _, first, stop, _ = plan.placement[key.stage]
        session = self._session(job, key) if plan.tokens else None
        output, _ = self._runtime.run(plan.model, self._schedule.weights_seed, first, stop, x, session)
        computed_ns = time.monotonic_ns()
        if plan.tokens and len(plan.placement) == 1:
            tokens = [_next_token(output)]
            for _ in range(1, job.output_tokens):
                one = torch.tensor([[tokens[-1]]])
                scores, _ = self._runtime.run(plan.model, self._schedule.weights_seed, first, stop, one, session)
                tokens.append(_next_token(scores))
            self._tokens[key.job] = tokens
        return output, computed_ns

    def _session(self, job: StationJob, key: MessageKey) -> Session:
        """Return the cache of a request in a partition, which is kept until the last pass through it."""
        place = key.job, key.stage
        session = self._sessions.pop(place, None) or Session()
        if key.step + 1 < self._schedule.steps(job):
            self._sessions[place] = session
        while len(self._sessions) > MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        return session

    def record_answer(self, job: StationJob, key: MessageKey, output: torch.Tensor) -> int:
        """Return the first 8 bytes of the SHA-256 of the last partition's fp32 scores, and store its token; return 0
        for any other partition."""
        plan = self._schedule.plan(job)
        if key.stage + 1 < len(plan.placement):
            return 0
        if plan.tokens and len(plan.placement) > 1:
            self._tokens.setdefault(key.job, []).append(_next_token(output))
        scores = self._runtime.scores(plan.model, output)
        return int.from_bytes(sha256(scores.tobytes()).digest()[:8], "little")

    def encode(self, job: StationJob, key: MessageKey, leg: Leg, output: torch.Tensor) -> StationMessage:
        """Return the message that carries a partition's output: an activation, a token, or the result (the tokens, or
        the scores cut or padded to the result's size). Raises ValueError for values that are not finite."""
        plan, next_key = self._schedule.plan(job), MessageKey(key.job, leg.step, leg.stage)
        if 0 < leg.stage < len(plan.placement):
            values = self._runtime.to_wire(output)
            matrix = values.reshape(self._runtime.tokens_of(plan.model, output), -1)
            return self._packings.message(job, next_key, CODECS[leg.codec].encode(matrix))
        tokens = self._tokens.get(key.job, [])
        if leg.stage == 0:
            return self._packings.message(job, next_key, _TOKEN.pack(tokens[-1]))
        packed = b"".join(map(_TOKEN.pack, tokens))
        data = packed if plan.tokens else self._runtime.scores(plan.model, output).tobytes()
        return self._packings.message(job, next_key, data[: leg.size_bytes].ljust(leg.size_bytes, b"\0"))

    def answer(self, job: StationJob, key: MessageKey, output: torch.Tensor) -> Answer | None:
        """Return a task's answer, that of the first pass, in the last pass of its last partition; otherwise None."""
        if key.stage + 1 < len(self._schedule.plan(job).placement):
            return None
        if key.step == 0:
            self._outputs[key.job] = output
            if len(self._outputs) > MAX_OUTPUTS:
                del self._outputs[next(iter(self._outputs))]
        if key.step + 1 < self._schedule.steps(job):
            return None
        first = self._outputs.pop(key.job, None)
        return None if first is None else answer_of(first, job.prompt)

    def local_input(self, key: MessageKey, leg: Leg, output: torch.Tensor) -> torch.Tensor:
        """Return the input of the next partition if it is on this node too: the output itself, or the token."""
        return torch.tensor([[self._tokens[key.job][-1]]]) if leg.stage == 0 else output

    def _prepare(self, model: str, first: int, stop: int) -> None:
        """Draw a partition's layers and warm them up, for long inputs and for a single image or token."""
        seed = self._schedule.weights_seed
        for index in range(first, stop):
            self._runtime.draw(LayerId(model, seed, index))
        self._runtime.warm_up(model, seed, first, stop)
        self._runtime.run(model, seed, first, stop, self._runtime.synthetic_input(model, seed, first, 1))


def _next_token(scores: torch.Tensor) -> int:
    return int(scores[0, -1].argmax())
