"""Residual networks (He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016).

resnet32: 10 classes of 32 x 32 images (section 4.2, shortcuts of option A): 17 layers, 464 154 parameters.
resnet8-fashion: 10 classes of 28 x 28 grey images, three blocks of widths 16, 32, 64 with 1 x 1 convolutions in the
shortcuts (option B), trained on Fashion-MNIST: 5 layers, 77 754 parameters.
resnet50: 1000 classes of 224 x 224 images (table 1, but with the stride in the 3 x 3 convolution, as is usual
today): 18 layers, 25 557 032 parameters.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from topologies.models.chain import LayerPlan, ModelPlan, fill
from topologies.models.vision.trained import fashion_plan


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)]


class PaddedShortcut(nn.Module):
    """Shortcut of option A: every second pixel, with zeros for the new channels."""

    def __init__(self, new_channels: int) -> None:
        super().__init__()
        self.new_channels = new_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (images, channels, height, width) to (images, channels + new, height / 2, width / 2)."""
        return nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.new_channels))


class Residual(nn.Module):
    """relu(norm(branch(x)) + shortcut(x)), the norm given as the last module of the branch."""

    def __init__(self, branch: list[nn.Module], shortcut: nn.Module) -> None:
        super().__init__()
        self.branch = nn.Sequential(*branch[:-1])
        self.norm = branch[-1]
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of branch and shortcut after ReLU; the branch determines channels and stride."""
        return torch.relu(self.norm(self.branch(x)) + self.shortcut(x))


def _fill_residual(layer: nn.Module, draws: torch.Generator, blocks: int) -> None:
    """Initialise as `fill`, but the branch's last norm with blocks ** -1/2: otherwise the variance of activations would
    double with each block, since untrained norms do not rescale."""
    fill(layer, draws)
    nn.init.constant_(layer.get_parameter("norm.weight"), blocks**-0.5)


def _padded(inputs: int, outputs: int) -> nn.Module:
    return PaddedShortcut(outputs - inputs)


def _projected(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(*_convolution(inputs, outputs, 1, 2))


def _basic(shortcut: Callable[[int, int], nn.Module], inputs: int, outputs: int) -> nn.Module:
    same = inputs == outputs
    branch = [
        *_convolution(inputs, outputs, 3, 1 if same else 2),
        nn.ReLU(),
        *_convolution(outputs, outputs, 3),
    ]
    return Residual(branch, nn.Identity() if same else shortcut(inputs, outputs))


def _bottleneck(inputs: int, width: int, stride: int) -> nn.Module:
    outputs = 4 * width
    branch = [
        *_convolution(inputs, width, 1),
        nn.ReLU(),
        *_convolution(width, width, 3, stride),
        nn.ReLU(),
        *_convolution(width, outputs, 1),
    ]
    same = inputs == outputs
    return Residual(branch, nn.Identity() if same else nn.Sequential(*_convolution(inputs, outputs, 1, stride)))


def _small_stem(channels: int) -> nn.Module:
    return nn.Sequential(*_convolution(channels, 16, 3), nn.ReLU())


def _large_stem() -> nn.Module:
    return nn.Sequential(*_convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))


def _head(inputs: int, classes: int) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def _resnet32(name: str) -> ModelPlan:
    residual = partial(_fill_residual, blocks=15)
    layers = [LayerPlan("stem", partial(_small_stem, 3))]
    inputs = 16
    for stage, outputs in enumerate((16, 32, 64), start=1):
        for number in range(1, 6):
            layers.append(LayerPlan(f"block{stage}_{number}", partial(_basic, _padded, inputs, outputs), residual))
            inputs = outputs
    layers.append(LayerPlan("head", partial(_head, 64, 10)))
    return ModelPlan(name, "vision", "fp32", (3, 32, 32), tuple(layers))


def _resnet8_fashion(name: str) -> ModelPlan:
    residual = partial(_fill_residual, blocks=3)
    layers = (
        LayerPlan("stem", partial(_small_stem, 1)),
        LayerPlan("block1", partial(_basic, _projected, 16, 16), residual),
        LayerPlan("block2", partial(_basic, _projected, 16, 32), residual),
        LayerPlan("block3", partial(_basic, _projected, 32, 64), residual),
        LayerPlan("head", partial(_head, 64, 10)),
    )
    return fashion_plan(name, layers)


def _resnet50(name: str) -> ModelPlan:
    residual = partial(_fill_residual, blocks=16)
    layers = [LayerPlan("stem", _large_stem)]
    inputs = 64
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=2):  # conv2_x to conv5_x
        for number in range(1, blocks + 1):
            stride = 2 if stage > 2 and number == 1 else 1
            layers.append(LayerPlan(f"block{stage}_{number}", partial(_bottleneck, inputs, width, stride), residual))
            inputs = 4 * width
    layers.append(LayerPlan("head", partial(_head, 2048, 1000)))
    return ModelPlan(name, "vision", "fp32", (3, 224, 224), tuple(layers))


def plan(name: str) -> ModelPlan:
    """Return the plan; the layers are the stem, each residual block, and the head (average, then the classifier)."""
    return {"resnet8-fashion": _resnet8_fashion, "resnet32": _resnet32, "resnet50": _resnet50}[name](name)
