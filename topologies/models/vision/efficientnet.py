"""EfficientNet-Lite0 for 1000 classes of 224 x 224 images, trained on ImageNet: 18 layers, 4 652 008 parameters.

Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019; the lite form has
ReLU6, no squeeze-and-excitation, and a stem and a head of fixed widths.
"""

from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn

from topologies.models.chain import LayerPlan, ModelPlan, fill
from topologies.models.vision.efficientnet_weights import packaged_layer

# blocks, kernel, stride of the first block, expansion, outputs
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_WIDTH, HEAD_WIDTH, CLASSES = 32, 1280, 1000
BLOCKS = sum(stage[0] for stage in STAGES)
PIXEL_MEAN, PIXEL_STD = 0.498, 0.502  # 127 / 255 and 128 / 255, as in the training


def _norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=1e-3)


def _padding(kernel: int, stride: int) -> nn.Module:
    """Return zero padding that makes the output 1 / stride of the input's size, the larger half below and right, as in
    TensorFlow for sizes that the stride divides."""
    before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
    return nn.ZeroPad2d((before, after, before, after))


# The names of the children are those of the package's tensors without the underscore.


def _stem() -> nn.Module:
    children = {
        "pad": _padding(3, 2),
        "conv_stem": nn.Conv2d(3, STEM_WIDTH, 3, 2, bias=False),
        "bn0": _norm(STEM_WIDTH),
        "relu": nn.ReLU6(),
    }
    return nn.Sequential(OrderedDict(children))


def _head() -> nn.Module:
    children = {
        "conv_head": nn.Conv2d(STAGES[-1][-1], HEAD_WIDTH, 1, bias=False),
        "bn1": _norm(HEAD_WIDTH),
        "relu": nn.ReLU6(),
        "average": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "fc": nn.Linear(HEAD_WIDTH, CLASSES),
    }
    return nn.Sequential(OrderedDict(children))


class InvertedResidual(nn.Sequential):
    """Expansion (unless it is 1), depthwise convolution and projection, added to the input where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        width = inputs * expansion
        expanding = {
            "expand_conv": nn.Conv2d(inputs, width, 1, bias=False),
            "bn0": _norm(width),
            "relu0": nn.ReLU6(),
        }
        children = {
            "pad": _padding(kernel, stride),
            "depthwise_conv": nn.Conv2d(width, width, kernel, stride, groups=width, bias=False),
            "bn1": _norm(width),
            "relu1": nn.ReLU6(),
            "project_conv": nn.Conv2d(width, outputs, 1, bias=False),
            "bn2": _norm(outputs),
        }
        super().__init__(OrderedDict(children if expansion == 1 else expanding | children))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map (images, inputs, height, width) to (images, outputs, height / stride, width / stride)."""
        y = x
        for module in self:
            y = module(y)
        return x + y if self.adds else y


def _fill_adding(layer: nn.Module, draws: torch.Generator) -> None:
    """Initialise as `fill`, but the last norm with the number of blocks ** -1/2: otherwise the variance of activations
    would double with each sum."""
    fill(layer, draws)
    nn.init.constant_(layer.get_parameter("bn2.weight"), BLOCKS**-0.5)


def plan(name: str) -> ModelPlan:
    """Return the plan; the layers are the stem, each inverted residual block, and the head (convolution, average, then
    the classifier)."""
    layers = [LayerPlan("stem", _stem)]
    inputs = STEM_WIDTH
    for stage, (blocks, kernel, first_stride, expansion, outputs) in enumerate(STAGES, start=1):
        for number in range(1, blocks + 1):
            stride = first_stride if number == 1 else 1
            make = partial(InvertedResidual, inputs, outputs, kernel, stride, expansion)
            adds = stride == 1 and inputs == outputs
            layers.append(LayerPlan(f"block{stage}_{number}", make, _fill_adding if adds else fill))
            inputs = outputs
    layers.append(LayerPlan("head", _head))
    return ModelPlan(name, "vision", "fp32", (3, 224, 224), tuple(layers), 0, packaged_layer, PIXEL_MEAN, PIXEL_STD)
