"""The shipped models in numbers, known without torch."""

from collections.abc import Mapping
from typing import NamedTuple

from topologies.profiles import PROFILES_FOLDER, load_profile

# Learned values, without the statistics of norms, which a profile's `weight_bytes` holds too. As torch counts them: a
# matrix that two layers share counts once here, and in the weights of both.
PARAMETERS: Mapping[str, int] = {
    "alexnet": 61_100_840,
    "efficientnet-lite0": 4_652_008,
    "googlenet": 6_998_552,
    "llama-110m": 134_105_856,
    "llama-15m": 24_407_712,
    "llama2-7b": 6_738_415_616,
    "nin": 966_986,
    "resnet32": 464_154,
    "resnet50": 25_557_032,
    "resnet8-fashion": 77_754,
    "smollm2-135m": 134_515_008,
    "tinyllama-1.1b": 1_100_048_384,
    "vgg-fashion": 35_674,
    "vgg16": 138_357_544,
}


class ShippedModel(NamedTuple):
    """A shipped model. `input`: shape of an image or a token; `gflop`: 10^9 floating-point operations for one of them;
    `weight_mb`: 10^6 bytes; `cuts`: first and last cut; `profile`: path of its file."""

    name: str
    family: str
    input: str
    parameters: int
    weight_dtype: str
    weight_mb: float
    gflop: float
    layers: int
    cuts: str
    profile: str


def shipped_models() -> tuple[ShippedModel, ...]:
    """Return all shipped models, by name."""
    return tuple(map(_described, PARAMETERS))


def _described(name: str) -> ShippedModel:
    profile = load_profile(name)
    count = len(profile.layers)
    return ShippedModel(
        name,
        profile.family,
        "x".join(map(str, profile.input_shape)),
        PARAMETERS[name],
        profile.weight_dtype,
        round(profile.weight_bytes(0, count) / 1e6, 1),
        round(sum(layer.flops for layer in profile.layers) / 1e9, 3),
        count,
        f"1-{count - 1}",
        str(PROFILES_FOLDER / f"{name}.json"),
    )
