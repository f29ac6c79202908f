"""Network in Network (Lin, Chen, Yan, ICLR 2014) for 10 classes of 32 x 32 images, with the widths of
the authors' CIFAR-10 model: 12 layers, 966 986 parameters."""

from functools import partial

from torch import nn

from topologies.models.chain import LayerPlan, ModelPlan


def _convolution(inputs: int, outputs: int, kernel: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.ReLU())


def _average() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def plan(name: str) -> ModelPlan:
    """Return the plan; the layers are the convolutions with their ReLUs, and the pools."""
    # Pools round sizes up (32, 16, 8), as in Caffe, the framework of the original.
    layers = (
        LayerPlan("conv1", partial(_convolution, 3, 192, 5)),
        LayerPlan("cccp1", partial(_convolution, 192, 160, 1)),
        LayerPlan("cccp2", partial(_convolution, 160, 96, 1)),
        LayerPlan("pool1", partial(nn.MaxPool2d, 3, 2, ceil_mode=True)),
        LayerPlan("conv2", partial(_convolution, 96, 192, 5)),
        LayerPlan("cccp3", partial(_convolution, 192, 192, 1)),
        LayerPlan("cccp4", partial(_convolution, 192, 192, 1)),
        LayerPlan("pool2", partial(nn.AvgPool2d, 3, 2, ceil_mode=True)),
        LayerPlan("conv3", partial(_convolution, 192, 192, 3)),
        LayerPlan("cccp5", partial(_convolution, 192, 192, 1)),
        LayerPlan("cccp6", partial(_convolution, 192, 10, 1)),
        LayerPlan("average", _average),
    )
    return ModelPlan(name, "vision", "fp32", (3, 32, 32), layers)
