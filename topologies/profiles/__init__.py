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


class _LayerSection(Section):
    name: str = Field(min_length=1)
    flops: NonNegativeInt
    weight_bytes: NonNegativeInt
    activation_elements: PositiveInt
    context_flops: NonNegativeInt = 0
    kv_elements: NonNegativeInt = 0


class _ProfileSection(Section):
    name: str = Field(min_length=1)
    family: Literal["vision", "causal_lm"]
    weight_dtype: Literal["int8", "fp16", "fp32"]
    input_shape: tuple[PositiveInt, ...] = Field(min_length=1)
    layers: tuple[_LayerSection, ...] = Field(min_length=1)


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
        read = _ProfileSection.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(f"{path}: {translate(error)}") from None
    layers = tuple(Layer(**layer.model_dump()) for layer in read.layers)
    return ModelProfile(read.name, read.family, read.weight_dtype, read.input_shape, layers)
