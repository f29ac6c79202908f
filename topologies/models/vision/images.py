"""Pixels as the input of a vision model."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emulator.workload import TaskImage
from topologies.datasets.task_images import pixels_of
from topologies.models.chain import ModelPlan


def image_input(plan: ModelPlan, pixels: NDArray[np.uint8]) -> Tensor:
    """Return images, shape (images, height, width, channels), as a model's input, shape (images, channels, height,
    width): scaled to [0, 1], less the model's `pixel_mean`, over its `pixel_std`.

    Raises ValueError for another size than the model takes.
    """
    channels, height, width = plan.input_shape
    if pixels.shape[1:] != (height, width, channels):
        raise ValueError(f"images of shape {pixels.shape[1:]}: {plan.name} takes {(height, width, channels)}")
    scaled = torch.from_numpy(pixels.astype(np.float32)).permute(0, 3, 1, 2) / 255
    return (scaled - plan.pixel_mean) / plan.pixel_std


def task_image_input(plan: ModelPlan, image: TaskImage) -> Tensor:
    """Return the image of a task as the model's input, shape (1, channels, height, width). Raises as `image_input`, and
    MissingDependency, one line, without the data set."""
    return image_input(plan, pixels_of(image, plan.input_shape[1]))
