"""Images of tasks: which are chosen, their pixels and labels, and settings that do not fit."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from emulator.task import Task
from emulator.workload import CHUNK, Images, Stream, TaskImage, chosen_image
from hil.task_inputs import input_image
from tests.topologies.datasets.installed import needs_fashion_mnist, needs_photographs
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build import build
from topologies.datasets.fashion_mnist import fashion_mnist
from topologies.datasets.photographs import SCORED, crops
from topologies.datasets.task_images import COUNTS, label_of, pixels_of
from topologies.loading.loader import load

FASHION, CROPS = "tasks[0].images={dataset: fashion-mnist}", "tasks[0].images={dataset: photographs}"


def scenario_file(folder: Path) -> Path:
    (folder / "own.yaml").write_text(GOOD)
    return folder / "own.yaml"


def image_stream(path: Path, *changes: str) -> Stream:
    system = build(load(path, list(changes)), path.parent)
    return next(each for each in system.streams if each.kind.name == "image")


def test_every_image_is_chosen_equally_often(tmp_path: Path) -> None:
    kind = image_stream(scenario_file(tmp_path)).kind
    images = Images("few", 5)
    chosen = [chosen_image(1, Task("ue1", kind, number, 0), images).number for number in range(2 * CHUNK)]
    error = (2 * CHUNK * 0.2 * 0.8) ** 0.5
    assert all(abs(times - 2 * CHUNK / 5) < 4 * error for times in Counter(chosen).values())
    assert len(Counter(chosen)) == 5
    assert chosen != [chosen_image(1, Task("ue2", kind, number, 0), images).number for number in range(2 * CHUNK)]
    assert chosen[:CHUNK] != chosen[CHUNK:]


def test_tasks_have_images_of_the_data_set(tmp_path: Path) -> None:
    path = scenario_file(tmp_path)
    system = build(load(path, [CROPS]), tmp_path)
    tasks = list(system.tasks())
    assert {task.kind.name for task in tasks} == {"image", "text"}
    for task in tasks:
        image = input_image(system, task)
        if task.kind.name == "text":
            assert image is None
        else:
            assert image is not None
            assert image.dataset == "photographs"
            assert 0 <= image.number < COUNTS["photographs"]
    plain = image_stream(path)
    assert plain.images is None
    with_images = image_stream(path, CROPS)
    assert list(with_images.tasks(1, 10**10)) == list(plain.tasks(1, 10**10))  # arrivals stay


@needs_photographs
def test_pixels_of_photographs() -> None:
    assert (pixels_of(TaskImage("photographs", 499), 32) == crops(SCORED, [499], 32)).all()
    assert label_of(TaskImage("photographs", 499)) is None


@needs_fashion_mnist
def test_pixels_and_labels_of_fashion_mnist() -> None:
    test = fashion_mnist("test")
    assert len(test.labels) == COUNTS["fashion-mnist"]
    for number in (0, 9_999):
        image = TaskImage("fashion-mnist", number)
        assert np.array_equal(pixels_of(image, 28), test.pixels[[number]])
        assert label_of(image) == test.labels[number]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([FASHION], r"images\.dataset=fashion-mnist: must suit alexnet: the images are 1x28x28, it takes 3x224x224"),
        (["tasks[0].model=resnet8-fashion", CROPS], "dataset=photographs: must suit resnet8-fashion: the images are 3"),
        (
            ["tasks[1].images={dataset: photographs}"],
            r"tasks\[1\]\.images: must not be given, since llama-15m takes no",
        ),
        (["tasks[0].images={dataset: imagenet}"], r"tasks\[0\]\.images\.dataset=imagenet: must be"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path: Path, changes: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(scenario_file(tmp_path), changes)


def test_images_fit_the_trained_model(tmp_path: Path) -> None:
    changes = ["tasks[0].model=resnet8-fashion", FASHION, "policies=[{type: random}]", "hil.policies=[random]"]
    assert image_stream(scenario_file(tmp_path), *changes).images == Images("fashion-mnist", 10_000)
