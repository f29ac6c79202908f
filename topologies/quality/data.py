"""The data that models are scored on: windows of a text, labelled images, and photographs. Parts of it calibrate
receivers instead.

Nothing is scored on what it was calibrated on: of a text, the windows between the scored ones calibrate; of images,
those of the training set, or other photographs, do.
"""

import hashlib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emulator.core.arrays import Ints
from emulator.core.files import file_sha256
from topologies.datasets.fashion_mnist import SIDE, fashion_mnist
from topologies.datasets.photographs import CALIBRATING, SCORED, crops
from topologies.datasets.texts import MAX_TEXT_BYTES
from topologies.models.chain import Chain
from topologies.models.language.model_folder import TOKENIZER_FILE
from topologies.models.language.tokenizer import load_tokenizer, text_tokens
from topologies.models.vision.images import image_input
from topologies.quality.measured_model import MeasuredModel
from topologies.quality.subject import Subject, judge_language, judge_vision

SHIPPED_TEXT = "pydoc_data.topics"  # of every CPython: its reference manual by topic
BATCH_TOKENS = 512  # whose logits are in memory at once: 100 MB for a vocabulary of 49,152
BATCH_IMAGES = 100
BATCH_CROPS = 5  # larger ones leave the processor's cache
CALIBRATION_TOKENS = 2048
CALIBRATION_IMAGES = 500
CALIBRATION_CROPS = 50


@dataclass(frozen=True)
class SampleSize:
    """How much is measured. Each of the `seeds` has `units` of its own: windows of `window_tokens` tokens, or groups of
    `group_images` images. Where the data are fewer, they are used again by further seeds."""

    seeds: int = 5
    units: int = 2
    window_tokens: int = 128
    group_images: int = 50


@dataclass(frozen=True)
class Prepared:
    """A subject, what calibrates its receivers, and the digests of what both come from."""

    subject: Subject
    calibration: Tensor
    data: str
    data_sha256: str
    tokenizer_sha256: str | None = None


def prepare_language(model: MeasuredModel, text: Path | None, size: SampleSize) -> Prepared:
    """Return a trained language model with windows of a text, by default SHIPPED_TEXT.

    Raises ValueError, one line, for a text that is not UTF-8 or too short for two windows, and for weights or a
    tokenizer that cannot be used; MissingDependency for a model that is not installed.
    """
    folder = model.folder
    most = folder.config.get("n_positions", size.window_tokens)  # those of a model that has learned no more
    if size.window_tokens > most:
        raise ValueError(f"--tokens {size.window_tokens}: must be at most {most}, the positions of {model.plan.name}")
    tokens = text_tokens(load_tokenizer(folder), shipped_text() if text is None else _read(text))
    name = SHIPPED_TEXT if text is None else text.name
    scored, between = windows(np.array(tokens), size.window_tokens, size.seeds * size.units, name)
    inputs = torch.from_numpy(scored)
    batch = max(1, BATCH_TOKENS // size.window_tokens)
    subject = Subject(_whole(model), inputs, inputs, judge_language, "nats a token", 1, batch)
    digest = hashlib.sha256(scored.astype("<i4").tobytes()).hexdigest()
    tokenizer = file_sha256(folder.path / TOKENIZER_FILE)
    return Prepared(subject, torch.from_numpy(between), name, digest, tokenizer)


def _whole(model: MeasuredModel) -> Chain:
    chain = Chain(model.plan, 0, len(model.plan.layers))
    chain.materialise(seed=0)  # unused: the weights are trained
    return chain


def shipped_text() -> str:
    """Return all topics of Python's own manual, in the order of their names."""
    topics: dict[str, str] = import_module(SHIPPED_TEXT).topics
    return "\n\n".join(topics[name] for name in sorted(topics))


def _read(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f"{path}: must be an existing file of text")
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise ValueError(f"{path}: must be at most {MAX_TEXT_BYTES} bytes")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: must be text in UTF-8") from None


def windows(tokens: Ints, length: int, count: int, name: str) -> tuple[Ints, Ints]:
    """Return `count` windows to score and some to calibrate with, shape (windows, length), spread evenly over a text:
    each second window is scored, and where that is too few, again from the first. Raises ValueError for a text shorter
    than two windows."""
    whole = len(tokens) // length
    if whole < 2:
        raise ValueError(f"{name}: {len(tokens)} tokens: must have at least {2 * length}, two windows")
    every = tokens[: whole * length].reshape(whole, length)
    scored, between = every[::2], every[1::2]
    return scored[_spread(len(scored), count)], between[_spread(len(between), max(1, CALIBRATION_TOKENS // length))]


def _spread(available: int, count: int) -> Ints:
    """Return `count` indices below `available`, evenly spaced, or in turn where there are not as many."""
    numbers = np.arange(count)
    return numbers * available // count if count <= available else numbers % available


def prepare_vision(chain: Chain, size: SampleSize) -> Prepared:
    """Return a trained vision model with its images: those of Fashion-MNIST if it takes images of their size, else
    crops of photographs. Raises as `prepare_fashion` and `prepare_photographs`."""
    takes_fashion = chain.plan.input_shape == (1, SIDE, SIDE)
    return prepare_fashion(chain, size) if takes_fashion else prepare_photographs(chain, size)


def prepare_fashion(chain: Chain, size: SampleSize) -> Prepared:
    """Return a model with test images of Fashion-MNIST and their labels. Raises MissingDependency without the images,
    ValueError if the model takes others."""
    train, test = fashion_mnist("train"), fashion_mnist("test")
    count = size.seeds * size.units * size.group_images
    chosen = np.arange(count) % len(test.labels)
    pixels, labels = test.pixels[chosen], test.labels[chosen]
    subject = Subject(
        chain,
        image_input(chain.plan, pixels),
        torch.from_numpy(labels.astype(np.int64))[:, None],
        judge_vision,
        "accuracy",
        size.group_images,
        BATCH_IMAGES,
    )
    digest = hashlib.sha256(pixels.tobytes() + labels.tobytes()).hexdigest()
    calibration = image_input(chain.plan, train.pixels[:CALIBRATION_IMAGES])
    return Prepared(subject, calibration, "Fashion-MNIST", digest)


def prepare_photographs(chain: Chain, size: SampleSize) -> Prepared:
    """Return a model with crops of photographs, whose true answers are the unharmed model's: they have no labels.

    Each seed has crops of one photograph, so that intervals are over photographs: seed s has number s modulo their
    count. Raises MissingDependency without the photographs, ValueError if the model takes other images.
    """
    side = chain.plan.input_shape[1]
    seeds = np.arange(size.seeds)[:, None]
    of_seed = size.units * size.group_images
    count = size.seeds * of_seed
    rounds = seeds // len(SCORED) * of_seed + np.arange(of_seed)
    numbers = rounds * len(SCORED) + seeds % len(SCORED)
    pixels = crops(SCORED, numbers.ravel().tolist(), side)
    inputs = image_input(chain.plan, pixels)
    batches = (inputs[start : start + BATCH_CROPS] for start in range(0, count, BATCH_CROPS))
    answers = torch.cat([chain.run(batch, 0, len(chain.plan.layers)).argmax(dim=1, keepdim=True) for batch in batches])
    subject = Subject(chain, inputs, answers, judge_vision, "agreement", size.group_images, BATCH_CROPS)
    calibration = image_input(chain.plan, crops(CALIBRATING, range(CALIBRATION_CROPS), side))
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Prepared(subject, calibration, "photographs of scikit-image", digest)


def prepare(model: MeasuredModel, text: Path | None, size: SampleSize) -> Prepared:
    """Return a trained model with its data. Raises as `prepare_language`, `prepare_fashion` and
    `prepare_photographs`."""
    if model.plan.family == "causal_lm":
        return prepare_language(model, text, size)
    return prepare_vision(_whole(model), size)
