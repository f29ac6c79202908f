"""Shipped profiles against the models and published numbers."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.profile import Layer, ModelProfile
from topologies.models.language.llama import SHAPES, configuration
from topologies.models.profiling import take_profile
from topologies.models.registry import model_names, model_plan, outline
from topologies.profiles import PROFILES_FOLDER, load_profile, profile_names, save_profile

WEIGHT_BYTES = {"fp16": 2, "fp32": 4}
VISION = tuple(name for name in model_names() if model_plan(name).family == "vision")


def test_every_model_has_a_shipped_profile() -> None:
    assert set(profile_names()) == set(model_names())


@pytest.mark.parametrize("name", model_names())
def test_shipped_profiles_are_current(name: str, tmp_path: Path) -> None:
    taken = take_profile(name)
    assert load_profile(name) == taken
    save_profile(taken, tmp_path / "taken.json")
    assert (tmp_path / "taken.json").read_bytes() == (PROFILES_FOLDER / f"{name}.json").read_bytes()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("vgg16", 138_357_544),  # torchvision's table of weights
        ("alexnet", 61_100_840),  # torchvision's table of weights
        ("googlenet", 6_998_552),  # Szegedy et al. 2015, table 1: about 6.8 M
        ("resnet50", 25_557_032),  # torchvision's table of weights
        ("resnet32", 464_154),  # He et al. 2016, table 6: 0.46 M
        ("resnet8-fashion", 77_754),  # stem 176, blocks 4672, 14 528, 57 728, head 650
        ("vgg-fashion", 35_674),  # convolutions 144, 2304, 4608, 9216, 18 432, norms 320, head 650
        ("nin", 966_986),  # Lin et al. 2014: about 0.97 M
        ("llama2-7b", 6_738_415_616),  # the published checkpoint
        ("tinyllama-1.1b", 1_100_048_384),  # the published checkpoint
        ("llama-15m", 15_191_712 + 32_000 * 288),  # stories15M, plus the separate output matrix
        ("llama-110m", 109_529_856 + 32_000 * 768),  # stories110M, plus the separate output matrix
        ("smollm2-135m", 134_515_008 + 49_152 * 576),  # the published checkpoint, with the shared matrix twice
    ],
)
def test_parameter_counts_equal_the_published_ones(name: str, parameters: int) -> None:
    assert sum(weight.numel() for weight in outline(name).parameters()) == parameters


@pytest.mark.parametrize(
    ("name", "gmacs"), [("vgg16", 15.47), ("alexnet", 0.71), ("resnet50", 4.09), ("resnet32", 0.069), ("nin", 0.2225)]
)
def test_multiply_accumulates_equal_the_published_ones(name: str, gmacs: float) -> None:
    assert sum(layer.flops for layer in load_profile(name).layers) / 2e9 == pytest.approx(gmacs, rel=0.008)


def test_vgg16_layer_by_layer() -> None:
    """2 k² C_in C_out H W for a convolution, 2 C_in C_out for a dense layer, 0 for a pool."""
    flops, elements, inputs, side = [], [], 3, 224
    for outputs, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(convolutions):
            flops.append(2 * 9 * inputs * outputs * side * side)
            elements.append(outputs * side * side)
            inputs = outputs
        side //= 2
        flops.append(0)
        elements.append(outputs * side * side)
    for dense, outputs in ((25_088, 4096), (4096, 4096), (4096, 1000)):
        flops.append(2 * dense * outputs)
        elements.append(outputs)
    layers = load_profile("vgg16").layers
    assert [layer.flops for layer in layers] == flops
    assert [layer.activation_elements for layer in layers] == elements


@pytest.mark.parametrize("name", SHAPES)
def test_language_models_match_closed_forms(name: str) -> None:
    profile, config = load_profile(name), configuration(name)
    hidden, vocabulary = config.hidden_size, config.vocab_size
    embedding, *decoders, head = profile.layers
    kv = (config.num_key_value_heads or config.num_attention_heads) * hidden // config.num_attention_heads
    matrices = 2 * hidden * hidden + 2 * hidden * kv + 3 * hidden * config.intermediate_size
    width = WEIGHT_BYTES[profile.weight_dtype]
    assert len(decoders) == config.num_hidden_layers
    assert embedding == Layer("embedding", 0, vocabulary * hidden * width, hidden)
    assert head == Layer("head", 2 * hidden * vocabulary, (vocabulary + 1) * hidden * width, vocabulary)
    for index, decoder in enumerate(decoders):
        weights = (matrices + 2 * hidden) * width
        assert decoder == Layer(f"decoder{index}", 2 * matrices, weights, hidden, 4 * hidden, 2 * kv)


def test_llama2_7b_sends_8192_bytes_a_token_and_caches_half_a_mebibyte() -> None:
    profile = load_profile("llama2-7b")
    assert profile.activation_bytes(16, 1, "fp16") == 8192
    assert sum(layer.kv_elements for layer in profile.layers) * 2 == 512 * 1024


@pytest.mark.parametrize("name", model_names())
def test_weight_bytes_are_those_of_the_layers_tensors(name: str) -> None:
    profile = load_profile(name)
    for index in range(len(profile.layers)):
        tensors = outline(name, index, index + 1).state_dict().values()
        assert sum(tensor.nbytes for tensor in tensors) == profile.weight_bytes(index, index + 1)


@pytest.mark.parametrize("name", VISION)
def test_last_activation_of_an_image_is_its_class_scores(name: str) -> None:
    plan = model_plan(name)
    classes, channels, side = {224: (1000, 3, 224), 32: (10, 3, 32), 28: (10, 1, 28)}[plan.input_shape[-1]]
    assert load_profile(name).input_shape == (channels, side, side)
    assert load_profile(name).layers[-1].activation_elements == classes


counts = st.integers(0, 2**62)
names = st.text(min_size=1, max_size=8)


@given(
    st.builds(
        ModelProfile,
        names,
        st.sampled_from(["vision", "causal_lm"]),
        st.sampled_from(["int8", "fp16", "fp32"]),
        st.lists(st.integers(1, 4096), min_size=1, max_size=3).map(tuple),
        st.lists(st.builds(Layer, names, counts, counts, st.integers(1, 2**62), counts, counts), min_size=1).map(tuple),
    )
)
def test_saved_profile_loads_as_the_same(tmp_path_factory: pytest.TempPathFactory, profile: ModelProfile) -> None:
    path = tmp_path_factory.mktemp("profile") / "own.json"
    save_profile(profile, path)
    assert load_profile(str(path)) == profile


def _changed(**changes: Any) -> str:
    layer = {"name": "conv", "flops": 1, "weight_bytes": 4, "activation_elements": 2}
    profile = {"name": "own", "family": "vision", "weight_dtype": "fp32", "input_shape": [3, 8, 8], "layers": [layer]}
    return json.dumps(profile | changes)


def _layer(**changes: Any) -> str:
    layer = {"name": "conv", "flops": 1, "weight_bytes": 4, "activation_elements": 2} | changes
    return _changed(layers=[layer, layer])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be JSON: "),
        ("[]", "must be a section with keys"),
        ("{}", "name: must be given"),
        (_changed(colour="red"), "colour=red: is not a known key"),
        (_changed(family="speech"), "family=speech: must be 'vision' or 'causal_lm'"),
        (_changed(weight_dtype="fp64"), "weight_dtype=fp64: must be 'int8', 'fp16', 'bf16' or 'fp32'"),
        (_changed(input_shape=[3, 0]), "input_shape[1]=0: must be above 0"),
        (_changed(layers=[]), "layers=[]: must have 1 or more entries"),
        (_layer(flops=-1), "layers[0].flops=-1: must be at least 0"),
        (_layer(flops=1.5), "layers[0].flops=1.5: must be a whole number"),
        (_layer(flops="1"), "layers[0].flops=1: must be a whole number"),
        (_layer(activation_elements=0), "layers[0].activation_elements=0: must be above 0"),
        (_layer(name=""), "layers[0].name='': must have at least 1 character"),
    ],
)
def test_malformed_profile_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"own\.json") as caught:
        load_profile(str(path))
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_unknown_profile_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^model=vgg61: must be one of alexnet, .*vgg16, or the path"):
        load_profile("vgg61")
    with pytest.raises(ValueError, match=r"none\.json: profile: must be an existing file"):
        load_profile(str(tmp_path / "none.json"))


def test_loading_profiles_does_not_import_torch() -> None:
    code = """
import sys
from topologies.profiles import load_profile, profile_names
for name in profile_names():
    load_profile(name)
print(sorted({"torch", "transformers"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_activation_bytes_depend_on_codec_and_tokens() -> None:
    profile = load_profile("vgg16")
    elements = math.prod((64, 112, 112))
    assert [profile.activation_bytes(3, 1, codec) for codec in ("int8", "fp16", "fp32")] == [
        4 + elements,
        2 * elements,
        4 * elements,
    ]
