"""A second implementation of a run: each task is a generator that follows its legs, over a heap of wake-ups.

It uses the links and devices (which have references of their own) and adds up the costs itself.
"""

from collections.abc import Generator, Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Any

import numpy as np

from emulator.activation.codecs import CODECS
from emulator.core.randomness import draw_key
from emulator.link import Delivery, Link
from emulator.policy import Policy
from emulator.profile import TOKEN_BYTES
from emulator.simulation.network import Network
from emulator.simulation.observation import DelayedObservation
from emulator.system import System
from emulator.task import Placement, Task, passes
from tests.emulator.systems import input_bytes, result_bytes

PARTS = ("waiting_ns", "load_ns", "service_ns", "transfer_ns", "link_waiting_ns", "energy_j")

Walk = Generator[int, None, None]
Crossing = Generator[int, None, Delivery]
Account = dict[str, Any]


class Failed(Exception):
    """The task ends here."""


class ReferenceRun:
    """All tasks of a system under a policy. `rows` and `stages` are what the records must say, by
    (source, kind, number)."""

    def __init__(self, system: System, policy: Policy) -> None:
        self.system = system
        self.policy = policy
        self.network = Network(system)
        self.rows: dict[tuple[str, str, int], Account] = {}
        self.stages: dict[tuple[str, str, int], list[Account]] = {}
        self._heap: list[tuple[int, int, Walk]] = []
        self._order = count()  # of two wake-ups at one instant, the one that was asked for first comes first
        self._now_ns = 0
        for stream in system.streams:
            self._await_next(stream.tasks(system.seed, system.duration_ns))
        self._run()

    def _run(self) -> None:
        while self._heap:
            self._wake_next()

    def _wake_next(self) -> None:
        self._now_ns, _, walk = heappop(self._heap)
        self._resume(walk)

    def _wake(self, at_ns: int, walk: Walk) -> None:
        heappush(self._heap, (at_ns, next(self._order), walk))

    def _resume(self, walk: Walk) -> None:
        at_ns = next(walk, None)
        if at_ns is not None:
            self._wake(at_ns, walk)

    def _await_next(self, tasks: Iterator[Task]) -> None:
        task = next(tasks, None)
        if task is not None:
            self._wake(task.arrival_ns, self._arrive(task, tasks))

    def _arrive(self, task: Task, later: Iterator[Task]) -> Walk:
        self._await_next(later)
        candidates = self.system.placements[task.source, task.kind.name]
        placement = self.policy.decide(DelayedObservation(task, self._now_ns, self.network, candidates))
        key = (task.source, task.kind.name, task.number)
        stages = self.stages[key] = [_account() for _ in placement]
        reason = ""
        try:
            yield from self._walk(task, placement, stages)
        except Failed as failure:
            reason = str(failure)
        total = {part: sum(stage[part] for stage in stages) for part in PARTS}
        table = self.system.quality.get(task.kind.name)
        total["quality_loss"] = None if reason or table is None else 0.0
        for (node, first, _, codec), stage in zip(placement, stages, strict=False):
            if total["quality_loss"] is not None and table is not None and first and stage["from"] != node:
                lossy = any(link.spec.bearer == "um" for link in self.network.route(stage["from"], node))
                delivery, share = (str(task.kind.delivery), stage["erased_fraction"]) if lossy else ("", 0.0)
                curve = table.curve(first, codec or task.kind.codecs[0], delivery)
                total["quality_loss"] += np.interp(share, curve.levels, np.maximum(curve.losses, 0.0))
        kept = 1.0
        for stage in stages:
            kept *= 1.0 - stage["erased_fraction"]
        self.rows[key] = {**total, "erased_fraction": 1.0 - kept, "reason": reason, "sojourn_ns": 0}
        self.rows[key]["sojourn_ns"] = self._now_ns - task.arrival_ns

    def _walk(self, task: Task, placement: Placement, stages: list[Account]) -> Walk:
        each_pass = passes(task)
        visits = [each_pass] if len(placement) == 1 else [[step] for step in each_pass]
        last_node, carried = task.source, input_bytes(task)
        for step, visit in enumerate(visits):
            for index, (node, first, stop, codec) in enumerate(placement):
                if first:
                    codec_name = codec or task.kind.codecs[0]
                    carried = task.kind.model.activation_bytes(first, visit[0].tokens, codec_name)
                    safe = safe_bytes(task, first, codec_name, visit[0].tokens, step)
                else:
                    safe = carried
                stages[index]["from"] = last_node if step == 0 else stages[index]["from"]
                yield from self._carry(task, step, index, last_node, node, (carried, safe), stages[index])
                model = task.kind.model
                device = self.network.devices[node]
                service_ns = sum(device.service_ns(model.name, first, stop, *each) for each in visit)
                yield from self._serve(node, model.name, first, stop, service_ns, stages[index])
                last_node = node
            carried = TOKEN_BYTES
        if last_node != task.source and result_bytes(task):
            stages.append(_account())
        yield from self._carry(
            task, len(visits) - 1, len(placement), last_node, task.source, (result_bytes(task),) * 2, stages[-1]
        )

    def _carry(
        self, task: Task, step: int, index: int, source: str, target: str, sizes: tuple[int, int], stage: Account
    ) -> Walk:
        size_bytes, safe = sizes[0], sizes[1] if task.kind.delivery else 0
        lost = 0.0
        key = draw_key(self.system.seed, task.source, f"tasks of {task.kind.name}") >> 24
        message = ((key + task.number) << 24) + (step << 8) + index
        route = self.network.route(source, target) if size_bytes else ()
        for link in route:
            asked_ns = self._now_ns
            delivery = yield from self._cross(link, size_bytes, message, safe)
            ends = [self.system.nodes[name].device for name in (link.spec.source, link.spec.target)]
            power_w = (ends[0].transmit_power_w if ends[0] else 0.0) + (ends[1].receive_power_w if ends[1] else 0.0)
            stage["link_waiting_ns"] += delivery.start_ns - asked_ns
            stage["transfer_ns"] += delivery.arrival_ns - asked_ns
            stage["energy_j"] += power_w * (delivery.release_ns - delivery.start_ns) * 1e-9
            lost = 1.0 - (1.0 - lost) * (1.0 - delivery.erased_fraction)
        stage["exposed"] += size_bytes - safe if route else 0
        stage["lost"] += lost * (size_bytes - safe if route else 0)
        stage["erased_fraction"] = stage["lost"] / max(stage["exposed"], 1)

    def _cross(self, link: Link, size_bytes: int, message: int, safe: int) -> Crossing:
        delivery = link.enqueue(self._now_ns, size_bytes, message, safe)
        if delivery is None:
            raise Failed("link queue full" if link.spec.trace.carries else "no coverage")
        yield delivery.arrival_ns
        return delivery

    def _serve(self, node: str, model: str, first: int, stop: int, service_ns: int, stage: Account) -> Walk:
        device = self.network.devices[node]
        service = device.submit(self._now_ns, model, first, stop, service_ns)
        if isinstance(service, str):
            raise Failed(service)
        stage["waiting_ns"] += service.start_ns - self._now_ns
        stage["load_ns"] += service.load_ns
        stage["service_ns"] += service_ns
        stage["energy_j"] += device.spec.busy_power_w * (service.load_ns + service_ns) * 1e-9
        yield service.finish_ns


def _account() -> Account:
    return {**dict.fromkeys(PARTS, 0), "erased_fraction": 0.0, "exposed": 0, "lost": 0.0, "from": ""}


def safe_bytes(task: Task, first: int, name: str, tokens: int, step: int) -> int:
    """What the recipe of a kind protects of an activation: whole tokens at the start of a prompt, and of every other
    token the codec's side information and the dimensions, each in bytes of its own."""
    if task.kind.delivery is None:
        return 0
    elements, protection = task.kind.model.layers[first - 1].activation_elements, task.kind.delivery.recipe.protection
    token, side = CODECS[name].token_bytes(elements), CODECS[name].side_bytes(elements)
    part = min(token, side + protection.dimensions * CODECS[name].unit_bytes(elements))
    whole = min(tokens, protection.tokens) if task.prompt_tokens and step == 0 else 0
    return whole * token + (tokens - whole) * part
