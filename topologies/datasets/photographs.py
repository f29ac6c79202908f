"""Photographs that the package scikit-image brings, and square crops of them.

Of the package only these files are used. By its documentation (`skimage.data`) the astronaut is NASA's and the rocket
SpaceX's, both in the public domain; the cat (Stefan van der Walt), the coffee (Rachel Michetti), the camera (Lav
Varshney), brick, grass and gravel are CC0; the coins (Brooklyn Museum) have no known restrictions; the motorcycle is of
the Middlebury 2014 stereo benchmark.
"""

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emulator.core.randomness import generator
from topologies.models.packaged_file import PackagedFile

PACKAGE, VERSION = "scikit-image", "0.26.0"
SMALLEST = 0.5  # side of a crop over the shorter side of its photograph; the greatest is 1


class Photograph(NamedTuple):
    """A file among the package's data, and its SHA-256."""

    file: str
    sha256: str

    def packaged(self) -> PackagedFile:
        """Return the file as one of the package's."""
        return PackagedFile(PACKAGE, VERSION, f"skimage/data/{self.file}", self.sha256)


SCORED = (
    Photograph("astronaut.png", "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"),
    Photograph("chelsea.png", "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb"),
    Photograph("coffee.png", "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7"),
    Photograph("rocket.jpg", "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c"),
    Photograph("camera.png", "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a"),
)
CALIBRATING = (
    Photograph("motorcycle_left.png", "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179"),
    Photograph("brick.png", "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf"),
    Photograph("coins.png", "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba"),
    Photograph("grass.png", "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89"),
    Photograph("gravel.png", "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12"),
)


def crops(photographs: tuple[Photograph, ...], numbers: Iterable[int], side: int) -> NDArray[np.uint8]:
    """Return crops by their numbers, shape (crops, side, side, 3): number n is of photograph n modulo their count.

    Size and place of a crop are drawn, always the same for its number. Raises MissingDependency, one line, where the
    package is not installed.
    """
    chosen = [(photographs[number % len(photographs)], number // len(photographs)) for number in numbers]
    return np.stack([_crop(photograph, number, side) for photograph, number in chosen])


def _crop(photograph: Photograph, number: int, side: int) -> NDArray[np.uint8]:
    image = _decoded(photograph)
    share, right, down = generator(0, photograph.file, "crop", number).random(3)
    size = min(image.size) * (SMALLEST + (1 - SMALLEST) * share)
    left, top = (image.width - size) * right, (image.height - size) * down
    box = (left, top, left + size, top + size)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box))  # Pillow's has antialiasing


@cache
def _decoded(photograph: Photograph) -> Image.Image:
    with Image.open(photograph.packaged().path()) as image:
        return image.convert("RGB")
