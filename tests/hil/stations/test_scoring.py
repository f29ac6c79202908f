"""Scores of answers against the whole, unharmed model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from emulator.task import Partition, Task
from hil.answers import Answer, MeasuredLoss, answer_of
from hil.mqtt.address import Address
from hil.stations.planning import make_schedule
from hil.stations.schedule import Schedule
from hil.stations.scoring import measured_losses
from tests.hil.lab import kind
from tests.hil.stations.on_stations import FAST, free_addresses, make_system
from topologies.models.registry import build, model_plan, plan_input

IMAGE, TEXT = kind("resnet32", "int8"), kind("llama-15m", "int8")


def schedule_of(*tasks: Task) -> Schedule:
    nodes = make_system([IMAGE, TEXT], {"ue1": FAST, "edge1": FAST})
    placed = [(task, (Partition("edge1", 0, len(task.kind.model.layers)),)) for task in tasks]
    return make_schedule(nodes, placed, free_addresses(["ue1", "edge1"]), Address("127.0.0.1", 1))


def test_an_image_costs_1_where_the_class_differs() -> None:
    schedule = schedule_of(*(Task("ue1", IMAGE, number, 0) for number in range(3)))
    same = replace(schedule.jobs[0], input_seed=schedule.jobs[1].input_seed)
    schedule = replace(schedule, jobs=(same, *schedule.jobs[1:]))
    losses = [measured_losses(schedule, {1: Answer(choice)}, lambda *_: None)[1] for choice in range(10)]
    assert losses.count(MeasuredLoss(0.0, True)) == 1 and losses.count(MeasuredLoss(1.0, False)) == 9
    unharmed = losses.index(MeasuredLoss(0.0, True))
    found = measured_losses(schedule, {0: Answer(unharmed), 1: Answer(unharmed + 1)}, lambda *_: None)
    assert found == [MeasuredLoss(0.0, True), MeasuredLoss(1.0, False), None]


def test_a_text_costs_the_nats_that_its_tokens_lose() -> None:
    schedule = schedule_of(Task("ue1", TEXT, 0, 0, 5, 2))
    job = replace(schedule.jobs[0], prompt=(5, 9, 2, 31_999, 7))
    schedule = replace(schedule, jobs=(job,))
    logits = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 5, 32_000)).astype(np.float32))
    by_hand = -torch.log_softmax(logits[0, :-1].double(), 1)[torch.arange(4), torch.tensor(job.prompt[1:])].mean()
    answer = answer_of(logits, job.prompt)
    assert answer.choice == int(logits[0, -1].argmax())
    assert answer.text_loss == pytest.approx(float(by_hand), rel=1e-5)
    whole = answer_of(build(TEXT.model.name, 0)(torch.tensor([job.prompt])), job.prompt)
    assert whole.text_loss is not None and answer.text_loss is not None
    (found,) = measured_losses(schedule, {0: answer}, lambda *_: None)
    assert found is not None and found.loss == pytest.approx(answer.text_loss - whole.text_loss)
    assert found.agrees == (answer.choice == whole.choice)


def test_drawn_tokens_are_compared_with_the_next_token_of_the_whole_model() -> None:
    schedule = schedule_of(Task("ue1", TEXT, 0, 0, 5, 2))
    output = build(TEXT.model.name, 0)(plan_input(model_plan(TEXT.model.name), schedule.jobs[0].input_seed, tokens=5))
    whole = answer_of(output, ())
    assert whole == Answer(int(output[0, -1].argmax()), None)
    for choice in (whole.choice, whole.choice + 1):
        (found,) = measured_losses(schedule, {0: Answer(choice)}, lambda *_: None)
        assert found == MeasuredLoss(None, choice == whole.choice)
