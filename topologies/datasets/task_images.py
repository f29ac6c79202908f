"""Images that tasks of vision models have: their pixels, and their classes where the data set has labels."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emulator.workload import TaskImage
from topologies.datasets.fashion_mnist import SIDE, LabelledImages, fashion_mnist
from topologies.datasets.image_folder import square_of
from topologies.datasets.photographs import SCORED, crops

FASHION, PHOTOGRAPHS = "fashion-mnist", "photographs"
COUNTS: Mapping[str, int] = {FASHION: 10_000, PHOTOGRAPHS: 500}
"""Images that tasks choose from: the test part of Fashion-MNIST; a hundred crops of each photograph."""


def shape_of(dataset: str | None, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape (channels, height, width) of a data set's images for a model with this input shape: photographs
    and images of files are resized to it, to squares."""
    return (1, SIDE, SIDE) if dataset == FASHION else (3, input_shape[1], input_shape[1])


def pixels_of(image: TaskImage, side: int) -> NDArray[np.uint8]:
    """Return an image, shape (1, side, side, channels). Raises MissingDependency, one line, without the data set,
    ValueError for a file that is no image."""
    if image.dataset == FASHION:
        return _fashion().pixels[image.number : image.number + 1]
    if image.dataset == PHOTOGRAPHS:
        return crops(SCORED, [image.number], side)
    return square_of(Path(image.dataset), side)[None]


def label_of(image: TaskImage) -> int | None:
    """Return the class of an image, None where the data set has no labels. Raises as `pixels_of`."""
    return int(_fashion().labels[image.number]) if has_labels(image.dataset) else None


def has_labels(dataset: str) -> bool:
    """Return whether the classes of a data set's images are known."""
    return dataset == FASHION


@cache
def _fashion() -> LabelledImages:
    return fashion_mnist("test")
