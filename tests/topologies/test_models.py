"""Models as chains: slices built alone equal the parts of the whole, to the bit."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor
from transformers import LlamaForCausalLM

from topologies.models.chain import Chain
from topologies.models.language.llama import SHAPES, configuration
from topologies.models.registry import build, example_input, model_names, outline
from topologies.models.vision.resnet import PaddedShortcut, Residual
from topologies.profiles import load_profile

pytestmark = pytest.mark.usefixtures("one_thread")

SEED = 5
EXECUTED = (
    "alexnet",
    "googlenet",
    "llama-15m",
    "nin",
    "resnet32",
    "resnet50",
    "resnet8-fashion",
    "vgg-fashion",
    "vgg16",
)  # small enough for a test
TOKENS = 12


@pytest.fixture(scope="module", params=EXECUTED)
def whole(request: pytest.FixtureRequest) -> Chain:
    return build(request.param, SEED)


def sent(activation: Tensor) -> Tensor:
    """Return a copy, as received by another process."""
    payload = bytearray(activation.contiguous().numpy().tobytes())
    return torch.frombuffer(payload, dtype=activation.dtype).reshape(activation.shape)


def same(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other)


def test_cut_at_any_layer_gives_identical_output(whole: Chain) -> None:
    name, stop = whole.plan.name, whole.stop
    x = example_input(name, SEED, tokens=TOKENS)
    expected = whole(x)
    assert expected.isfinite().all()
    assert expected.std() > 0
    activation = x
    for cut in range(1, stop):
        activation = whole.run(activation, cut - 1, cut)
        assert same(whole.run(sent(activation), cut, stop), expected), f"{name} cut before layer {cut}"


def test_slice_built_alone_equals_that_part_of_the_whole(whole: Chain) -> None:
    name, stop = whole.plan.name, whole.stop
    activation = example_input(name, SEED, tokens=TOKENS)
    expected = whole(activation)
    tensors: dict[str, Tensor] = {}
    for index in range(stop):  # each layer in a slice of its own
        alone = build(name, SEED, index, index + 1)
        activation = alone(sent(activation))
        tensors |= alone.state_dict()
    assert same(activation, expected)
    whole_tensors = whole.state_dict()
    assert tensors.keys() == whole_tensors.keys()
    assert all(same(tensor, whole_tensors[key]) for key, tensor in tensors.items())


@pytest.mark.parametrize("name", ["nin", "resnet32", "resnet8-fashion", "vgg-fashion"])
def test_two_slices_built_alone_equal_the_whole_at_every_cut(name: str) -> None:
    x = example_input(name, SEED)
    expected = build(name, SEED)(x)
    stop = len(load_profile(name).layers)
    for cut in range(1, stop):
        assert same(build(name, SEED, cut)(sent(build(name, SEED, 0, cut)(x))), expected)


def test_activations_have_the_profiles_size_and_bounded_variance(whole: Chain) -> None:
    """Untrained weights neither suppress nor amplify the signal."""
    profile = load_profile(whole.plan.name)
    tokens = TOKENS if profile.family == "causal_lm" else 1
    x = example_input(whole.plan.name, SEED, tokens=tokens)
    for index, layer in enumerate(profile.layers):
        x = whole.run(x, index, index + 1)
        assert x.numel() == layer.activation_elements * tokens
        assert 0.02 < x.std() < 20, layer.name
        if profile.family == "vision" and index < len(profile.layers) - 1:
            assert x.min() >= 0, f"{layer.name} ends with a ReLU, or pools after one"


@pytest.mark.parametrize("name", model_names())
def test_batches_and_prompts_of_any_size_run(name: str) -> None:
    chain = outline(name)
    shape = (3, *chain.plan.input_shape) if chain.plan.family == "vision" else (3, 7)
    dtype = torch.float32 if chain.plan.family == "vision" else torch.int64
    scores = load_profile(name).layers[-1].activation_elements
    expected = (3, scores) if chain.plan.family == "vision" else (3, 7, scores)
    assert chain(torch.empty(shape, dtype=dtype, device="meta")).shape == expected


def test_weights_depend_on_the_seed_alone() -> None:
    state = torch.get_rng_state()
    one, again, other = (build("resnet32", seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(same(one[key], again[key]) for key in one)
    assert not any(torch.equal(one[key], other[key]) for key in one if one[key].dim() >= 2)


def test_layers_of_one_shape_have_different_weights() -> None:
    tensors = build("llama-15m", SEED, 1, 3).state_dict()
    key = "block.self_attn.q_proj.weight"
    assert not torch.equal(tensors[f"layers.1.{key}"], tensors[f"layers.2.{key}"])


def test_slice_contains_only_its_layers() -> None:
    chain = build("tinyllama-1.1b", SEED, 20, 21)
    tensors = chain.state_dict()
    assert {key.split(".")[1] for key in tensors} == {"20"}
    assert sum(tensor.nbytes for tensor in tensors.values()) == load_profile("tinyllama-1.1b").weight_bytes(20, 21)
    hidden = chain(torch.randn((1, 3, 2048), generator=torch.Generator().manual_seed(1)).half())
    assert hidden.dtype == torch.float16
    assert hidden.isfinite().all()
    assert not list(chain.buffers())


def test_outline_loads_weights() -> None:
    built = build("llama-15m", SEED, 2, 8)
    received = outline("llama-15m", 2, 8)
    assert all(tensor.is_meta for tensor in received.state_dict().values())
    received.load_state_dict(load(save(built.state_dict())), assign=True)
    hidden = torch.randn((1, 5, 288), generator=torch.Generator().manual_seed(1))
    assert same(received(hidden), built(hidden))


def test_language_model_equals_that_of_transformers() -> None:
    chain = build("llama-15m", SEED)
    reference = LlamaForCausalLM(configuration("llama-15m")).train(mode=False)
    names = {"layers.0.weight": "model.embed_tokens.weight", "layers.7.0.weight": "model.norm.weight"}
    names |= {"layers.7.1.weight": "lm_head.weight"}
    tensors = chain.state_dict()
    for key in tensors.keys() - names.keys():
        _, index, rest = key.split(".", 2)
        names[key] = f"model.layers.{int(index) - 1}.{rest.removeprefix('block.')}"
    renamed = {names[key]: tensor for key, tensor in tensors.items()}
    reference.load_state_dict(renamed)
    tokens = example_input("llama-15m", SEED, tokens=33)
    with torch.no_grad():
        assert same(chain(tokens), reference(tokens, use_cache=False).logits)


def test_language_model_is_causal() -> None:
    chain = build("llama-15m", SEED)
    tokens = example_input("llama-15m", SEED, tokens=9)
    changed = tokens.clone()
    changed[0, 6] = (changed[0, 6] + 1) % 32_000
    one, other = chain(tokens), chain(changed)
    assert torch.equal(one[:, :6], other[:, :6])
    assert not torch.allclose(one[:, 6:], other[:, 6:])


def test_padded_shortcut_passes_every_second_pixel() -> None:
    x = torch.arange(2 * 3 * 4 * 4, dtype=torch.float32).reshape(2, 3, 4, 4)
    y = PaddedShortcut(2)(x)
    assert y.shape == (2, 5, 2, 2)
    assert torch.equal(y[:, :3], x[:, :, ::2, ::2])
    assert torch.equal(y[:, 3:], torch.zeros(2, 2, 2, 2))


def test_residual_block_adds_its_shortcut() -> None:
    block = Residual([torch.nn.Identity(), torch.nn.Identity()], torch.nn.Identity())
    assert torch.equal(block(torch.tensor([-1.0, 2.0])), torch.tensor([0.0, 4.0]))


@pytest.mark.parametrize(
    ("name", "first", "stop", "message"),
    [
        ("vgg61", 0, 1, "model=vgg61: must be one of alexnet"),
        ("vgg16", -1, 3, "vgg16: layers=-1-3: must lie within 0-21"),
        ("vgg16", 3, 3, "vgg16: layers=3-3: must lie within 0-21"),
        ("vgg16", 5, 22, "vgg16: layers=5-22: must lie within 0-21"),
    ],
)
def test_nonexistent_layers_are_refused(name: str, first: int, stop: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(name, SEED, first, stop)


@pytest.mark.parametrize(("first", "stop"), [(1, 4), (2, 6), (3, 3)])
def test_layers_outside_a_slice_are_refused(first: int, stop: int) -> None:
    chain = outline("vgg16", 2, 5)
    with pytest.raises(ValueError, match=f"vgg16: layers={first}-{stop}: must lie within 2-5"):
        chain.run(torch.empty(1, 64, 224, 224, device="meta"), first, stop)


def test_example_inputs_depend_on_seed_and_index() -> None:
    assert torch.equal(example_input("nin", 1, 2), example_input("nin", 1, 2))
    assert not torch.equal(example_input("nin", 1, 2), example_input("nin", 1, 3))
    tokens = example_input("llama-15m", 1, tokens=1000)
    assert tokens.shape == (1, 1000)
    assert 0 <= tokens.min() < 1_000
    assert 31_000 < tokens.max() < 32_000


def test_convolutional_network_does_not_import_transformers() -> None:
    code = "import sys; from topologies.models.registry import build; build('nin', 1); "
    code += "print('transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_every_language_model_has_a_shape() -> None:
    assert set(SHAPES) <= set(model_names())
