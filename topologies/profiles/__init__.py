"""Model profiles as JSON files, written from `topologies.models.profiling` or, with edges, from
`topologies.models.graph_profiling`, and read without torch."""

import json
from dataclasses import asdict, replace
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError

from emulator.core.files import atomic_write
from emulator.model_graph import ModelGraph
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
    edges: tuple[tuple[NonNegativeInt, NonNegativeInt], ...] | None = None
    """Pairs (v, u) of layers where u takes the output of v; layer 0 is the input. Default: a chain."""


def profile_names() -> tuple[str, ...]:
    """Return the names of all models with a shipped profile."""
    return tuple(sorted(path.stem for path in PROFILES_FOLDER.glob("*.json")))


def load_profile(name: str) -> ModelProfile:
    """Return a shipped profile by the model's name, or any profile by the path of its file (`*.json`). Of a graph it is
    the chain of what lies between its cuts (`ModelGraph.chain`).

    Raises ValueError, one line, for an unknown name, a missing file or a malformed profile.
    """
    found = _read(_path_of(name))
    return found.chain() if isinstance(found, ModelGraph) else found


def load_graph(name: str) -> ModelGraph:
    """Return a profile as a graph: a shipped one by the model's name, or any by the path of its file. A chain gets an
    input as its first layer, with the elements of `input_shape`. Raises ValueError as `load_profile`."""
    found = _read(_path_of(name))
    if isinstance(found, ModelGraph):
        return found
    layers = (Layer("input", 0, 0, prod(found.input_shape)), *found.layers)
    return ModelGraph(replace(found, layers=layers), tuple(pairwise(range(len(layers)))))


def save_profile(profile: ModelProfile, path: Path) -> None:
    """Write a profile as JSON, one line per layer, for `load_profile`."""
    _write(asdict(profile), path)


def save_graph(graph: ModelGraph, path: Path) -> None:
    """Write a graph as JSON, for `load_graph` and `load_profile`."""
    _write({"edges": graph.edges, **asdict(graph.profile)}, path)


def _write(fields: dict[str, Any], path: Path) -> None:
    layers = ",\n".join(f"    {json.dumps(layer)}" for layer in fields.pop("layers"))
    head = "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in fields.items())
    with atomic_write(path) as partial:
        partial.write_text(f'{{\n{head}  "layers": [\n{layers}\n  ]\n}}\n', encoding="utf-8")


def _path_of(name: str) -> Path:
    if name in profile_names():
        return PROFILES_FOLDER / f"{name}.json"
    if not name.endswith(".json"):
        raise ValueError(f"model={name}: must be one of {', '.join(profile_names())}, or the path of a .json file")
    if not Path(name).is_file():
        raise ValueError(f"{name}: profile: must be an existing file")
    return Path(name)


def _read(path: Path) -> ModelProfile | ModelGraph:
    try:
        read = ProfileSection.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(f"{path}: {translate(error, ProfileSection)[0].text}") from None
    layers = tuple(Layer(**layer.model_dump()) for layer in read.layers)
    profile = ModelProfile(read.name, read.family, read.weight_dtype, read.input_shape, layers)
    if read.edges is None:
        return profile
    try:
        return ModelGraph(profile, read.edges)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
