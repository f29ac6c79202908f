"""Crops of photographs: the same for each number, within the photograph, and smoothed when they shrink."""

import numpy as np
import pytest
from PIL import Image

from emulator.core.randomness import generator
from tests.topologies.datasets.installed import needs_photographs
from topologies.datasets.photographs import CALIBRATING, SCORED, crops

pytestmark = needs_photographs


def test_a_crop_depends_on_its_number_alone() -> None:
    some = crops(SCORED, [7, 3, 7], 32)
    assert some.shape == (3, 32, 32, 3)
    assert (some[0] == some[2]).all()
    assert (some[1] == crops(SCORED, range(4), 32)[3]).all()
    assert len({crop.tobytes() for crop in crops(SCORED, range(20), 32)}) == 20


def test_photographs_take_turns_and_crops_are_of_the_drawn_places() -> None:
    for number, crop in enumerate(crops(SCORED, range(10), 8)):
        photograph = SCORED[number % 5]
        with Image.open(photograph.packaged().path()) as image:
            pixels = np.asarray(image.convert("RGB"), float)
        height, width, _ = pixels.shape
        share, right, down = generator(0, photograph.file, "crop", number // 5).random(3)
        size = min(height, width) * (0.5 + 0.5 * share)
        assert 0.5 * min(height, width) <= size <= min(height, width)
        left, top = int((width - size) * right), int((height - size) * down)
        region = pixels[top : top + int(size), left : left + int(size)]
        # The mean of the region is that of the crop only if each pixel of the region counts: without smoothing, 64
        # single pixels would be chosen.
        assert crop.mean((0, 1)) == pytest.approx(region.mean((0, 1)), abs=2.5)


def test_nothing_calibrates_that_is_scored() -> None:
    assert not {each.sha256 for each in SCORED} & {each.sha256 for each in CALIBRATING}
    assert len(crops(CALIBRATING, range(5), 16)) == 5
