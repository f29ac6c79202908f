"""VGG16 (Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition",
ICLR 2015, configuration D) for 1000 classes of 224 x 224 images: 21 layers, 138 357 544 parameters."""

from functools import partial

from torch import nn

from topologies.models.chain import LayerPlan, ModelPlan

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions before the pool


def _convolution(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU())


def _dense(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, outputs), nn.ReLU())


def plan(name: str) -> ModelPlan:
    """Return the plan; the layers are the convolutions with their ReLUs, the pools and the fully connected layers."""
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
