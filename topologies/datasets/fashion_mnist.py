"""Fashion-MNIST (Xiao, Rasul, Vollgraf, arXiv 1708.07747, 2017; MIT licence): 60,000 and 10,000 grey images of
28 x 28 pixels in ten classes, from Debian's package `dataset-fashion-mnist`."""

import hashlib
import os
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emulator.core.errors import MissingDependency
from topologies.datasets.idx import read_idx

VARIABLE = "AIRSPLIT_FASHION_MNIST"
SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")
SIDE = 28
CLASSES = 10

Part = Literal["train", "test"]
FILES: dict[Part, tuple[str, int]] = {"train": ("train", 60_000), "test": ("t10k", 10_000)}


class LabelledImages(NamedTuple):
    """Images, shape (images, height, width, channels), and the class of each, shape (images,)."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    @property
    def sha256(self) -> str:
        """The SHA-256 of the pixels, then the labels."""
        return hashlib.sha256(self.pixels.tobytes() + self.labels.tobytes()).hexdigest()


def dataset_folder() -> Path:
    """Return the folder of the data set: the one that AIRSPLIT_FASHION_MNIST names, or else the Debian package's.

    Raises MissingDependency, one line, if it does not exist.
    """
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else SYSTEM_FOLDER
    if not folder.is_dir():
        raise MissingDependency(
            f"{folder}: Fashion-MNIST is not there (Debian and Ubuntu: apt-get install dataset-fashion-mnist;"
            f" or set {VARIABLE} to the folder with its four files)"
        )
    return folder


def fashion_mnist(part: Part, folder: Path | None = None) -> LabelledImages:
    """Return the images of a part of the data set (default folder: `dataset_folder()`).

    Raises MissingDependency, one line, if a file does not exist, and ValueError, one line, for a malformed one.
    """
    place = dataset_folder() if folder is None else folder
    prefix, count = FILES[part]
    try:
        pixels = read_idx(place / f"{prefix}-images-idx3-ubyte.gz", (count, SIDE, SIDE))
        labels = read_idx(place / f"{prefix}-labels-idx1-ubyte.gz", (count,))
    except FileNotFoundError as error:
        raise MissingDependency(f"{error.filename}: the file of Fashion-MNIST does not exist") from None
    if labels.max() >= CLASSES:
        raise ValueError(f"{place}: labels={labels.max()}: must be below {CLASSES}")
    return LabelledImages(pixels[..., np.newaxis], labels)
