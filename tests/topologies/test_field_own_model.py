"""`airsplit profile module:Class`: the profile of a torch module of the user's."""

import subprocess
import sys
from collections import OrderedDict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from airsplit.own_model import profile_own
from emulator.profile import Layer
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build import build
from topologies.build.emulation_scope import require_layers
from topologies.loading.loader import load
from topologies.models.own_model import NotAChain, take_own_profile
from topologies.models.registry import build as build_model
from topologies.models.registry import example_input
from topologies.profiles import load_profile

IMAGE = torch.zeros(1, 3, 32, 32)

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(8 * 16 * 16, 10)

    def forward(self, x):
        return self.fc(torch.flatten(self.pool(self.act(self.conv(x))), 1))

class Functional(Net):
    def forward(self, x):
        return self.fc(torch.flatten(self.pool(torch.relu(self.conv(x))), 1))

def words():
    return torch.tensor([[1, 2, 3, 4]])

def reader():
    return nn.Sequential(nn.Embedding(10, 8), nn.Linear(8, 4))
"""

# 2 k² C_in C_out H W for a convolution, 2 C_in C_out for a dense layer; 4 bytes a weight and bias.
NET_LAYERS = (
    Layer("conv", 2 * 9 * 3 * 8 * 32 * 32, 4 * (9 * 3 * 8 + 8), 8 * 32 * 32),
    Layer("act", 0, 0, 8 * 32 * 32),
    Layer("pool", 0, 0, 8 * 16 * 16),
    Layer("fc", 2 * 8 * 16 * 16 * 10, 4 * (8 * 16 * 16 * 10 + 10), 10),
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    (folder / "lab_net.py").write_text(NET)
    return folder


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from airsplit.cli import main; main()", *arguments]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "HOME": str(folder), "PATH": ""}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)


def test_field_profile_of_a_module_in_the_working_folder(lab: Path) -> None:
    done = call(lab, "profile", "lab_net:Net", "--input-shape", "1,3,32,32", "--out", "net.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "net.json\n", "")
    taken = load_profile(str(lab / "net.json"))
    assert (taken.name, taken.family, taken.weight_dtype, taken.input_shape) == ("net", "vision", "fp32", (3, 32, 32))
    assert taken.layers == NET_LAYERS
    (lab / "own.yaml").write_text(GOOD)
    by_path = build(load(lab / "own.yaml", [f"tasks[0].model={lab / 'net.json'}"]), lab)
    by_name = build(load(lab / "own.yaml", ["tasks[0].model=mine", f"models={{mine: {lab / 'net.json'}}}"]), lab)
    assert by_path.kinds["image"].model == by_name.kinds["image"].model == taken
    assert {len(each) for each in by_path.placements["ue1", "image"]} == {1, 2}


def test_field_example_input_of_a_function(lab: Path) -> None:
    done = call(lab, "profile", "lab_net:reader", "--example", "lab_net:words", "--out", "reader.json")
    assert done.returncode == 0, done.stderr
    layers = (Layer("0", 0, 4 * 10 * 8, 4 * 8), Layer("1", 2 * 4 * 8 * 4, 4 * (8 * 4 + 4), 4 * 4))
    assert load_profile(str(lab / "reader.json")).layers == layers


def test_field_module_that_cannot_be_split_is_one_line(lab: Path) -> None:
    done = call(lab, "profile", "lab_net:Functional", "--input-shape", "1,3,32,32", "--out", "functional.json")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert done.stderr.startswith("lab_net:Functional: child pool gets something else than the output of conv: forward")
    assert not (lab / "functional.json").exists()


@pytest.mark.parametrize(
    ("name", "shape", "example", "message"),
    [
        ("Net", None, None, "lab_net:Net: must come with --input-shape, such as 1,3,224,224, or with --example"),
        ("Net", "1,3,8,8", "lab_net:words", "lab_net:Net: must come with --input-shape, such as"),
        ("Net", "1,3,x", None, "--input-shape 1,3,x: must be whole numbers above 0"),
        ("Net", "1,9999999999999", None, "--input-shape 1,9999999999999: must fit into the memory"),
        ("Net", "1," + "9" * 5_000, None, "--input-shape 1,99"),
        ("Net", "8,3,32,32", None, "lab_net:Net: input of shape (8, 3, 32, 32): must be one input"),
        ("Net", "1,3,8,8", None, "lab_net:Net: forward of an input of shape 1, 3, 8, 8 raised RuntimeError: "),
        ("Nett", "1,3,32,32", None, "lab_net:Nett: must be a torch Module, or make one without arguments (Attribute"),
        (
            "words",
            "1,3,32,32",
            None,
            "lab_net:words: must be a torch Module, or make one without arguments, not Tensor",
        ),
        ("Net", None, "lab_net:reader", "lab_net:reader: must be a torch Tensor, or make one without arguments, not"),
    ],
)
def test_field_modules_that_cannot_be_profiled_are_one_line(
    lab: Path, monkeypatch: pytest.MonkeyPatch, name: str, shape: str | None, example: str | None, message: str
) -> None:
    monkeypatch.syspath_prepend(lab)
    with pytest.raises(ValueError) as caught:
        profile_own(f"lab_net:{name}", "net", shape, example)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    if "raised" in message:
        assert str(caught.value).endswith(f"raised at {lab / 'lab_net.py'}:14")


@given(st.lists(st.integers(1, 40), min_size=2, max_size=6), st.booleans())
def test_field_dense_layers_have_the_closed_form(widths: list[int], half: bool) -> None:
    pairs = list(pairwise(widths))
    module = nn.Sequential(*(nn.Linear(*pair) for pair in pairs)).to(torch.float16 if half else torch.float32)
    taken = take_own_profile("own", module, torch.ones((1, widths[0]), dtype=torch.float16 if half else torch.float32))
    width = 2 if half else 4
    assert taken.weight_dtype == ("fp16" if half else "fp32")
    assert taken.layers == tuple(
        Layer(str(index), 2 * a * b, width * (a * b + b), b) for index, (a, b) in enumerate(pairs)
    )


@pytest.mark.parametrize("name", ["nin", "resnet32"])
def test_field_a_shipped_model_as_a_module_has_its_shipped_profile(name: str) -> None:
    profile, chain = load_profile(name), build_model(name, seed=1)
    named = [(layer.name, chain.layers[str(index)]) for index, layer in enumerate(profile.layers)]
    assert take_own_profile(name, nn.Sequential(OrderedDict(named)), example_input(name, seed=1)) == profile


class Parts(nn.Module):
    """Children of which each test makes another network."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.act, self.second = nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)


class Reused(Parts):
    def forward(self, x: Any) -> Any:
        return self.act(self.second(self.act(self.first(x))))


class Reshaped(Parts):
    def forward(self, x: Any) -> Any:
        return self.second(self.first(x).reshape(1, 1, 4)).flatten()


class Skip(Parts):
    def forward(self, x: Any) -> Any:
        return self.second(x + self.first(x))


class Branches(Parts):
    def forward(self, x: Any) -> Any:
        return self.first(x) + self.second(x)


class Turned(Parts):
    def forward(self, x: Any) -> Any:
        return self.second(self.first(x).flip(-1))


class Ending(Parts):
    def forward(self, x: Any) -> Any:
        return self.second(self.first(x)).neg()


class Repeated(Parts):
    def forward(self, x: Any) -> Any:
        return self.second(self.first(self.first(x)))


class Unused(Parts):
    def forward(self, x: Any) -> Any:
        return self.first(x)


class NoCall(Parts):
    def forward(self, x: Any) -> Any:
        return x


class OwnWeights(Parts):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Any) -> Any:
        return self.second(self.first(x))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 4)

    def forward(self, x: Any) -> Any:
        return self.lstm(x)[0]


class Packed(nn.Identity):
    """A layer whose weights are no tensors, as torch's quantized layers have them."""

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        destination[f"{prefix}packed"] = (1, 2)


def test_field_children_without_weights_may_be_reused_or_left_out() -> None:
    """A layer is a call: an activation function is often one object for all layers."""
    layers = take_own_profile("own", Reused(), torch.ones(1, 4)).layers
    assert [layer.name for layer in layers] == ["first", "act", "second", "act_2"]
    assert [layer.name for layer in take_own_profile("own", Reshaped(), torch.ones(1, 4)).layers] == ["first", "second"]


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Skip(), "child second gets something else than the output of first: forward must be a chain"),
        (Branches(), "child second gets something else than the output of first"),
        (Turned(), "child second gets something else than the output of first"),
        (Ending(), "forward returns something else than its last child, second: forward must be a chain"),
        (Repeated(), "child first has weights and is called 2 times: must be called once"),
        (Unused(), "child second has weights and is called 0 times: must be called once"),
        (NoCall(), "forward calls no child"),
        (OwnWeights(), "scale: must be of a child, since the children are the layers"),
        (Recurrent(), "child lstm must return one tensor"),
        (nn.ReLU(), "must have children"),
        (nn.Sequential(Packed()), "child 0: packed is no tensor, so its size is not known: must not be quantized"),
        (nn.Sequential(nn.Linear(4, 4).double()), "weights of torch.float64: must all be of torch.float32"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_field_what_is_no_chain_is_refused(module: nn.Module, message: str) -> None:
    torch.manual_seed(1)
    dtype = next((each.dtype for each in module.parameters()), torch.float32)
    with pytest.raises(NotAChain) as caught:
        take_own_profile("own", module, torch.randn(1, 4).to(dtype))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_field_own_models_are_not_computed_for_real(tmp_path: Path) -> None:
    """Before workers or stations start, which know the shipped models alone."""
    (tmp_path / "own.yaml").write_text(GOOD)
    scenario = load(tmp_path / "own.yaml")
    system = build(scenario, tmp_path)
    require_layers(scenario, system)
    streams = tuple(
        replace(each, kind=replace(each.kind, model=replace(each.kind.model, name="net"))) for each in system.streams
    )
    with pytest.raises(ValueError, match=r"^tasks\[0\].model=alexnet: must be a shipped model \(airsplit models\)"):
        require_layers(scenario, replace(system, streams=streams))
