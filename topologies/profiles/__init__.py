"""Model profiles as JSON files, written from `topologies.models.profiling` and read without torch."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError

from emulator.core.files import atomic_write
from emulator.profile import Layer, ModelProfile
from topologies.schema.base import Section
from topologies.schema.messages import translate

PROFILES_FOLDER = Path(__file__).parent


class LayerSection(Section):
    """Cost of a layer, the smallest part of a model that a partition can hold."""

    name: str = Field(min_length=1)
    """Name of the layer."""
    flops: NonNegativeInt
    """Floating-point operations for one image or one token; a multiply-accumulate is two."""
    weight_bytes: NonNegativeInt
    """Bytes of the weights, with the statistics of norms."""
    activation_elements: PositiveInt
    """Number of values of the layer's output for one image or one token."""
    context_flops: NonNegativeInt = 0
    """Further operations for each pair of a token and a position that it attends to; default 0, no attention."""
    kv_elements: NonNegativeInt = 0
    """Number of values of the key-value cache for one token; default 0, no attention."""


class ProfileSection(Section):
    """Contents of a profile's file."""

    name: str = Field(min_length=1)
    """Name of the model; different profiles of a scenario have different names."""
    family: Literal["vision", "causal_lm"]
    """`vision`: one input, one pass; `causal_lm`: a language model, one pass for the prompt and one for each token."""
    weight_dtype: Literal["int8", "fp16", "bf16", "fp32"]
    """Precision of the weights; for information, `weight_bytes` counts."""
    input_shape: tuple[PositiveInt, ...] = Field(min_length=1)
    """Shape of one image (channels, height, width) or one token (1); for information."""
    layers: tuple[LayerSection, ...] = Field(min_length=1)
    """Layers in the order of computation; cut c lies before layer c, counted from 0."""


def profile_names() -> tuple[str, ...]:
    """Return the names of all models with a shipped profile."""
    return tuple(sorted(path.stem for path in PROFILES_FOLDER.glob("*.json")))


def load_profile(name: str) -> ModelProfile:
    """Return a shipped profile by the model's name, or any profile by the path of its file (`*.json`).

    Raises ValueError, one line, for an unknown name, a missing file or a malformed profile.
    """
    if name in profile_names():
        return _read(PROFILES_FOLDER / f"{name}.json")
    if not name.endswith(".json"):
        raise ValueError(f"model={name}: must be one of {', '.join(profile_names())}, or the path of a .json file")
    if not Path(name).is_file():
        raise ValueError(f"{name}: profile: must be an existing file")
    return _read(Path(name))


def save_profile(profile: ModelProfile, path: Path) -> None:
    """Write a profile as JSON, one line per layer, for `load_profile`."""
    fields = asdict(profile)
    layers = ",\n".join(f"    {json.dumps(layer)}" for layer in fields.pop("layers"))
    head = "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in fields.items())
    with atomic_write(path) as partial:
        partial.write_text(f'{{\n{head}  "layers": [\n{layers}\n  ]\n}}\n', encoding="utf-8")


def _read(path: Path) -> ModelProfile:
    try:
        read = ProfileSection.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(f"{path}: {translate(error, ProfileSection)[0].text}") from None
    layers = tuple(Layer(**layer.model_dump()) for layer in read.layers)
    return ModelProfile(read.name, read.family, read.weight_dtype, read.input_shape, layers)
