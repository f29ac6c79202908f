"""Images of tasks on workers and stations: the answer is that of the whole model for the image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emulator.core.errors import MissingDependency
from emulator.system import System
from emulator.workload import Images
from hil.answers import Answer, MeasuredLoss
from hil.mqtt.address import Address
from hil.mqtt.broker import Broker
from hil.stations.layers import NodeLayers
from hil.stations.planning import make_schedule
from hil.stations.schedule import read_schedule, write_schedule
from hil.stations.scoring import measured_losses
from hil.task_inputs import input_image
from hil.testbed.coordinator import Coordinator
from tests.hil.lab import NODE_WORKERS, kind, split, system, task
from tests.topologies.datasets.installed import needs_fashion_mnist, needs_photographs
from topologies.datasets.fashion_mnist import VARIABLE, fashion_mnist
from topologies.datasets.photographs import SCORED, crops
from topologies.datasets.task_images import _fashion
from topologies.models.registry import build
from topologies.models.vision.images import image_input

SMALL, LARGE = kind("resnet8-fashion", "fp32"), kind("alexnet", "fp32")
ADDRESSES = {"ue1": Address("10.77.0.1", 5700), "edge1": Address("10.77.0.2", 5700)}
BROKER = Address("10.77.0.3", 1883)


def with_images(facts: System, images: Images) -> System:
    return replace(facts, streams=tuple(replace(each, images=images) for each in facts.streams))


@needs_fashion_mnist
def test_workers_compute_on_the_images_that_tasks_have(lab: Broker) -> None:
    facts = with_images(system([SMALL], cuts=[0, 2]), Images("fashion-mnist", 10_000))
    whole, test, numbers = build("resnet8-fashion", 0), fashion_mnist("test"), set()
    with Coordinator(lab.address, NODE_WORKERS, facts) as coordinator:
        coordinator.deploy()
        for number in range(4):
            wanted = task(SMALL, number)
            image = input_image(facts, wanted)
            assert image is not None
            expected = whole(image_input(whole.plan, test.pixels[[image.number]])).numpy()
            for cut in (0, 2):
                inference = coordinator.infer(wanted, split(SMALL, cut))
                assert inference.failure is None and inference.result is not None
                assert np.abs(inference.result - expected).max() <= 1e-5 * np.abs(expected).max()
            numbers.add(image.number)
    assert len(numbers) == 4


@needs_photographs
def test_stations_compute_on_the_images_that_tasks_have(tmp_path: Path) -> None:
    facts = with_images(system([LARGE], cuts=[2]), Images("photographs", 500))
    tasks = [task(LARGE, number) for number in range(3)]
    images = [input_image(facts, each) for each in tasks]
    schedule = make_schedule(facts, [(each, split(LARGE, 2)) for each in tasks], ADDRESSES, BROKER)
    assert [job.image for job in schedule.jobs] == images
    assert len(set(images)) == 3
    write_schedule(tmp_path / "schedule.json", schedule)
    assert read_schedule(tmp_path / "schedule.json") == schedule
    layers = NodeLayers(schedule, "ue1")
    for job in schedule.jobs:
        assert job.image is not None
        expected = crops(SCORED, [job.image.number], 224).astype(np.float32).transpose(0, 3, 1, 2) / 255
        assert np.allclose(layers.input(job).numpy(), (expected - 0.5) / 0.5, atol=1e-6)


@needs_fashion_mnist
def test_answers_are_scored_by_the_labels_of_images() -> None:
    """Of harmed answers drawn at random, the mean loss is the fall of the accuracy."""
    facts = with_images(system([SMALL], cuts=[2]), Images("fashion-mnist", 10_000))
    tasks = [task(SMALL, number) for number in range(12)]
    schedule = make_schedule(facts, [(each, split(SMALL, 2)) for each in tasks], ADDRESSES, BROKER)
    numbers = [image.number for each in tasks if (image := input_image(facts, each)) is not None]
    test, whole = fashion_mnist("test"), build("resnet8-fashion", 0)
    answers = whole(image_input(whole.plan, test.pixels[numbers])).argmax(1).numpy()
    labels = test.labels[numbers]
    harmed = (answers + np.arange(12) % 3) % 10
    given = {number: Answer(int(each)) for number, each in enumerate(harmed)}
    losses = [each.loss for each in measured_losses(schedule, given, lambda *_: None) if each is not None]
    assert losses == [float(a) - float(b) for a, b in zip(harmed != labels, answers != labels, strict=True)]
    assert sum(filter(None, losses)) > 0


@needs_photographs
def test_answers_to_photographs_are_compared_with_those_of_the_whole_model() -> None:
    facts = with_images(system([LARGE], cuts=[2]), Images("photographs", 500))
    tasks = [task(LARGE, number) for number in range(2)]
    schedule = make_schedule(facts, [(each, split(LARGE, 2)) for each in tasks], ADDRESSES, BROKER)
    numbers = [image.number for each in tasks if (image := input_image(facts, each)) is not None]
    whole = build("alexnet", 0)
    first, second = whole(image_input(whole.plan, crops(SCORED, numbers, 224))).argmax(1).tolist()
    losses = measured_losses(schedule, {0: Answer(first), 1: Answer(second + 1)}, lambda *_: None)
    assert losses == [MeasuredLoss(0.0, True), MeasuredLoss(1.0, False)]


def test_a_missing_data_set_is_said_before_the_first_task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none"))
    _fashion.cache_clear()
    facts = with_images(system([SMALL], cuts=[2]), Images("fashion-mnist", 10_000))
    placed = [(task(SMALL), split(SMALL, 2))]
    with pytest.raises(MissingDependency, match=r"/none: Fashion-MNIST is not there"):
        Coordinator(BROKER, NODE_WORKERS, facts)
    with pytest.raises(MissingDependency, match=r"/none: Fashion-MNIST is not there"):
        make_schedule(facts, placed, ADDRESSES, BROKER)
    assert len(make_schedule(facts, placed, ADDRESSES, BROKER, "held").jobs) == 1  # computes on nothing
