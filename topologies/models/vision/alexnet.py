"""AlexNet in its one-tower form (Krizhevsky, "One weird trick for parallelizing convolutional neural
networks", arXiv 1404.5997, 2014; the widths are torchvision's) for 1000 classes of 224 x 224 images:
11 layers, 61 100 840 parameters."""

from functools import partial

from torch import nn

from topologies.models.chain import LayerPlan, ModelPlan


def _convolution(inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.ReLU())


def _dense(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, outputs), nn.ReLU())


def plan(name: str) -> ModelPlan:
    """Return the plan; the layers are the convolutions with their ReLUs, the pools and the fully connected layers."""
    pool = partial(nn.MaxPool2d, 3, 2)
    layers = (
        LayerPlan("conv1", partial(_convolution, 3, 64, 11, 4, 2)),
        LayerPlan("pool1", pool),
        LayerPlan("conv2", partial(_convolution, 64, 192, 5, 1, 2)),
        LayerPlan("pool2", pool),
        LayerPlan("conv3", partial(_convolution, 192, 384, 3, 1, 1)),
        LayerPlan("conv4", partial(_convolution, 384, 256, 3, 1, 1)),
        LayerPlan("conv5", partial(_convolution, 256, 256, 3, 1, 1)),
        LayerPlan("pool5", pool),
        LayerPlan("fc6", partial(_dense, 256 * 6 * 6, 4096)),
        LayerPlan("fc7", partial(_dense, 4096, 4096)),
        LayerPlan("fc8", partial(nn.Linear, 4096, 1000)),
    )
    return ModelPlan(name, "vision", "fp32", (3, 224, 224), layers)
