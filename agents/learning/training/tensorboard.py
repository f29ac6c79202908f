"""Logs of trainings for TensorBoard, by the library tensorboardX (the extra `tracking`)."""

from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from agents.learning.training.supervision import TrainingPoint

SCALARS = {  # by their names in TensorBoard: the fields of a curve's point
    "return": "episode_return",
    "reward": "reward_mean",
    "entropy": "entropy",
    "value_loss": "value_loss",
    "explained_variance": "explained_variance",
    "clipped_fraction": "clipfrac",
    "kl": "approx_kl",
    "validation_return": "validation_return",
}
SPEED = "steps_per_s"


class TensorBoardLog:
    """An observer that writes event files into a folder, a value of each scalar for each point of the curve.

    Events of earlier trainings in the folder are hidden from the first point's step on, so that a training that was
    resumed gives one curve. Raises ImportError, with the remedy, if the library is missing, before the training.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError("logs for TensorBoard need tensorboardX: pip install 'airsplit[tracking]'") from error
        self._open = partial(SummaryWriter, str(folder))
        self._writer: Any = None

    def __call__(self, point: TrainingPoint) -> None:
        """Write the values of a point."""
        if self._writer is None:
            self._writer = self._open(purge_step=point.done)
        for name, key in SCALARS.items():
            value = point.values.get(key)
            if value is not None and isfinite(value):  # there may be no value of an episode that ended
                self._writer.add_scalar(name, value, point.done)
        self._writer.add_scalar(SPEED, point.steps_per_s, point.done)
        if point.done == point.total:  # a thread writes, which would be lost at the program's end
            self._writer.close()
