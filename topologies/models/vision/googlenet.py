"""GoogLeNet (Szegedy et al., "Going deeper with convolutions", CVPR 2015, table 1) for 1000 classes of 224 x 224
images, without the auxiliary classifiers, which serve training alone, and without local response normalisation:
17 layers, 6 998 552 parameters."""

from functools import partial

import torch
from torch import Tensor, nn

from topologies.models.chain import LayerPlan, ModelPlan

Widths = tuple[int, int, int, int, int, int]  # 1 x 1, reduced and 3 x 3, reduced and 5 x 5, pooled


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2), nn.ReLU())


class Inception(nn.Module):
    """Branches of 1 x 1, 3 x 3, 5 x 5 and pooled convolutions, concatenated (figure 2b of the paper)."""

    def __init__(self, inputs: int, widths: Widths) -> None:
        super().__init__()
        one, reduced3, three, reduced5, five, pooled = widths
        self.one = _convolution(inputs, one, 1)
        self.three = nn.Sequential(_convolution(inputs, reduced3, 1), _convolution(reduced3, three, 3))
        self.five = nn.Sequential(_convolution(inputs, reduced5, 1), _convolution(reduced5, five, 5))
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, 1), _convolution(inputs, pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (images, inputs, height, width) to (images, sum of the branches' outputs, height, width)."""
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(x)], 1)


def _pool() -> nn.Module:
    return nn.MaxPool2d(3, 2, ceil_mode=True)  # 112, 56, 28, 14, 7: sizes are rounded up, as in Caffe


def _head() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000))


def plan(name: str) -> ModelPlan:
    """Return the plan; the layers are the convolutions with their ReLUs, the Inception modules, the pools and the
    classifier."""
    layers = (
        LayerPlan("conv1", partial(_convolution, 3, 64, 7, 2)),
        LayerPlan("pool1", _pool),
        LayerPlan("reduce2", partial(_convolution, 64, 64, 1)),
        LayerPlan("conv2", partial(_convolution, 64, 192, 3)),
        LayerPlan("pool2", _pool),
        LayerPlan("inception3a", partial(Inception, 192, (64, 96, 128, 16, 32, 32))),
        LayerPlan("inception3b", partial(Inception, 256, (128, 128, 192, 32, 96, 64))),
        LayerPlan("pool3", _pool),
        LayerPlan("inception4a", partial(Inception, 480, (192, 96, 208, 16, 48, 64))),
        LayerPlan("inception4b", partial(Inception, 512, (160, 112, 224, 24, 64, 64))),
        LayerPlan("inception4c", partial(Inception, 512, (128, 128, 256, 24, 64, 64))),
        LayerPlan("inception4d", partial(Inception, 512, (112, 144, 288, 32, 64, 64))),
        LayerPlan("inception4e", partial(Inception, 528, (256, 160, 320, 32, 128, 128))),
        LayerPlan("pool4", _pool),
        LayerPlan("inception5a", partial(Inception, 832, (256, 160, 320, 32, 128, 128))),
        LayerPlan("inception5b", partial(Inception, 832, (384, 192, 384, 48, 128, 128))),
        LayerPlan("head", _head),
    )
    return ModelPlan(name, "vision", "fp32", (3, 224, 224), layers)
