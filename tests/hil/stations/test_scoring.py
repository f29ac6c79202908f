"""Scores of answers against the whole, unharmed model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from emulator.task import Partition, Task
from hil.mqtt.address import Address
from hil.stations.planning import make_schedule
from hil.stations.schedule import Schedule
from hil.stations.scoring import answer_score, quality_losses
from tests.hil.lab import kind
from tests.hil.stations.on_stations import FAST, free_addresses, make_system

IMAGE, TEXT = kind("resnet32", "int8"), kind("llama-15m", "int8")


def schedule_of(*tasks: Task) -> Schedule:
    nodes = make_system([IMAGE, TEXT], {"ue1": FAST, "edge1": FAST})
    placed = [(task, (Partition("edge1", 0, len(task.kind.model.layers)),)) for task in tasks]
    return make_schedule(nodes, placed, free_addresses(["ue1", "edge1"]), Address("127.0.0.1", 1))


def test_an_image_costs_1_where_the_class_differs() -> None:
    schedule = schedule_of(*(Task("ue1", IMAGE, number, 0) for number in range(3)))
    same = replace(schedule.jobs[0], input_seed=schedule.jobs[1].input_seed)
    schedule = replace(schedule, jobs=(same, *schedule.jobs[1:]))
    (unharmed,) = {0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0} - {
        score for score in map(float, range(10)) if quality_losses(schedule, {1: score}, lambda *_: None)[1]
    }
    assert quality_losses(schedule, {0: unharmed, 1: unharmed + 1}, lambda *_: None) == [0.0, 1.0, None]


def test_a_text_costs_the_nats_that_its_tokens_lose() -> None:
    schedule = schedule_of(Task("ue1", TEXT, 0, 0, 5, 2), Task("ue1", TEXT, 1, 0, 5, 2))
    job = replace(schedule.jobs[0], prompt=(5, 9, 2, 31_999, 7))
    schedule = replace(schedule, jobs=(job, schedule.jobs[1]))
    (loss, drawn) = quality_losses(schedule, {0: 12.0, 1: 12.0}, lambda *_: None)
    assert drawn is None  # nobody can foresee drawn tokens
    assert loss is not None
    logits = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 5, 32_000)).astype(np.float32))
    by_hand = -torch.log_softmax(logits[0, :-1].double(), 1)[torch.arange(4), torch.tensor(job.prompt[1:])].mean()
    score = answer_score(schedule.plans[0], job, logits)
    assert score == pytest.approx(float(by_hand), rel=1e-5)
    assert answer_score(schedule.plans[0], schedule.jobs[1], logits) is None
    assert quality_losses(schedule, {0: 12.5}, lambda *_: None)[0] == pytest.approx(loss + 0.5)
