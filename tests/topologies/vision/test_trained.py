"""Networks trained for Fashion-MNIST: their weights, cards and recipes."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.topologies.datasets.installed import needs_fashion_mnist
from topologies.datasets.fashion_mnist import LabelledImages, fashion_mnist
from topologies.models.registry import build, model_plan, outline
from topologies.models.vision import trained
from topologies.models.vision.images import image_input
from topologies.models.vision.trained import save_trained
from topologies.models.vision.training import RECIPES, accuracy, train_chain
from topologies.models.vision.weight_files import FOLDER, read_card

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = tuple(RECIPES)


def part(images: LabelledImages, count: int) -> LabelledImages:
    return LabelledImages(images.pixels[:count], images.labels[:count])


def striped(count: int) -> LabelledImages:
    """Return images of ten classes that a network learns at once: two rows are bright, which two is the class."""
    labels = np.arange(count, dtype=np.uint8) % 10
    pixels = np.zeros((count, 28, 28, 1), np.uint8)
    for row in (0, 1):
        pixels[np.arange(count), 4 + 2 * labels + row] = 200
    return LabelledImages(pixels, labels)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_weights_are_those_of_the_card_and_the_recipe(name: str) -> None:
    card = read_card(name)
    file = FOLDER / f"{name}.safetensors"
    assert card["weights_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert card["recipe_sha256"] == RECIPES[name].sha256
    assert file.stat().st_size < 500_000
    assert all(tensor.isfinite().all() for tensor in build(name, 0).state_dict().values())


@pytest.mark.parametrize("name", NAMES)
def test_seed_changes_no_trained_weight(name: str) -> None:
    one, other = build(name, 1, 1, 3).state_dict(), build(name, 2, 1, 3).state_dict()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


@needs_fashion_mnist
@pytest.mark.parametrize("name", NAMES)
def test_shipped_weights_reach_their_cards_accuracy(name: str) -> None:
    """On the first 2,000 of 10,000 test images: within three standard errors."""
    card, test = read_card(name), fashion_mnist("test")
    assert card["data_sha256"]["test"] == test.sha256
    share = card["test_accuracy"]
    assert share > 0.89
    error = (share * (1 - share) / 2000) ** 0.5
    assert accuracy(build(name, 0), part(test, 2000)) == pytest.approx(share, abs=3 * error)


@needs_fashion_mnist
def test_short_training_learns_the_classes() -> None:
    recipe = replace(RECIPES["vgg-fashion"], epochs=3, batch=64, max_lr=0.05)
    chain = train_chain(recipe, part(fashion_mnist("train"), 4000))
    assert accuracy(chain, part(fashion_mnist("test"), 2000)) > 0.72


def test_same_recipe_gives_the_same_weights() -> None:
    recipe = replace(RECIPES["resnet8-fashion"], epochs=1, batch=16)
    one, again, other = (
        train_chain(each, striped(64)).state_dict() for each in (recipe, recipe, replace(recipe, seed=2))
    )
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


def test_training_separates_what_can_be_separated() -> None:
    recipe = replace(RECIPES["vgg-fashion"], epochs=6, batch=20, max_lr=0.05, flip_share=0.0)
    assert accuracy(train_chain(recipe, striped(400)), striped(100)) == 1.0


def test_changed_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = build("vgg-fashion", 0).state_dict()
    monkeypatch.setattr(trained, "FOLDER", tmp_path)
    monkeypatch.setattr("topologies.models.vision.weight_files.FOLDER", tmp_path)
    save_trained("vgg-fashion", tensors, {})
    file = tmp_path / "vgg-fashion.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    trained._tensors.cache_clear()
    with pytest.raises(ValueError, match=r"vgg-fashion\.safetensors: SHA-256 must be that of its card"):
        build("vgg-fashion", 0)
    trained._tensors.cache_clear()


def test_weights_of_another_layer_are_refused() -> None:
    plan = model_plan("vgg-fashion")
    assert plan.weights is not None
    chain = outline("vgg-fashion", 1, 2)
    chain.plan = replace(plan, weights=lambda index: trained.trained_layer("vgg-fashion", index - 1))
    with pytest.raises(ValueError, match=r"^vgg-fashion layer 1: 0\.weight: must be torch\.float32 of shape \(16, 16"):
        chain.materialise(0)
    chain.plan = replace(plan, weights=lambda index: {})
    with pytest.raises(ValueError, match=r"^vgg-fashion layer 1: 0\.weight: is missing"):
        chain.materialise(0)


def test_pixels_are_normalised_as_the_plan_says() -> None:
    plan = model_plan("resnet8-fashion")
    pixels = np.zeros((2, 28, 28, 1), np.uint8)
    pixels[1, 3, 5, 0] = 255
    x = image_input(plan, pixels)
    assert x.shape == (2, 1, 28, 28)
    assert x[0].numpy() == pytest.approx(-0.2860 / 0.3530)
    assert x[1, 0, 3, 5].item() == pytest.approx((1 - 0.2860) / 0.3530)
    with pytest.raises(ValueError, match=r"resnet8-fashion takes \(28, 28, 1\)"):
        image_input(plan, np.zeros((1, 32, 32, 3), np.uint8))
