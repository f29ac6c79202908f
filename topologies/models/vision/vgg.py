"""VGG networks (Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR
2015).

vgg16: 1000 classes of 224 x 224 images (configuration D): 21 layers, 138 357 544 parameters.
vgg-fashion: 10 classes of 28 x 28 grey images, five convolutions with batch norms and one dense layer after an average,
trained on Fashion-MNIST: 8 layers, 35 674 parameters.
"""

from functools import partial

from torch import nn

from topologies.models.chain import LayerPlan, ModelPlan
from topologies.models.vision.trained import fashion_plan

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions before the pool


def _convolution(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU())


def _dense(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, outputs), nn.ReLU())


def _normalised(inputs: int, outputs: int) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def _average_dense(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, outputs))


def _vgg_fashion(name: str) -> ModelPlan:
    pool = partial(nn.MaxPool2d, 2)
    layers = (
        LayerPlan("conv1_1", partial(_normalised, 1, 16)),
        LayerPlan("conv1_2", partial(_normalised, 16, 16)),
        LayerPlan("pool1", pool),
        LayerPlan("conv2_1", partial(_normalised, 16, 32)),
        LayerPlan("conv2_2", partial(_normalised, 32, 32)),
        LayerPlan("pool2", pool),
        LayerPlan("conv3_1", partial(_normalised, 32, 64)),
        LayerPlan("head", partial(_average_dense, 64, 10)),
    )
    return fashion_plan(name, layers)


def _vgg16(name: str) -> ModelPlan:
    layers = []
    inputs = 3
    for block, (outputs, convolutions) in enumerate(BLOCKS, start=1):
        for number in range(1, convolutions + 1):
            layers.append(LayerPlan(f"conv{block}_{number}", partial(_convolution, inputs, outputs)))
            inputs = outputs
        layers.append(LayerPlan(f"pool{block}", partial(nn.MaxPool2d, 2)))
    layers += [
        LayerPlan("fc6", partial(_dense, 512 * 7 * 7, 4096)),
        LayerPlan("fc7", partial(_dense, 4096, 4096)),
        LayerPlan("fc8", partial(nn.Linear, 4096, 1000)),
    ]
    return ModelPlan(name, "vision", "fp32", (3, 224, 224), tuple(layers))


def plan(name: str) -> ModelPlan:
    """Return the plan; the layers are the convolutions with their ReLUs, the pools and the fully connected layers."""
    return {"vgg16": _vgg16, "vgg-fashion": _vgg_fashion}[name](name)
