"""Take the profile of a torch module of the user's, named `module:Class`."""

import re
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from agents.user_errors import import_failure, in_one_line
from emulator.profile import ModelProfile
from topologies.models.own_model import NotAChain, take_own_profile
from topologies.user_modules import load_class

Made = TypeVar("Made")

EXAMPLE_SEED = 0


def profile_own(model: str, name: str, input_shape: str | None, example: str | None) -> ModelProfile:
    """Return the profile, called `name`, of the module that `model` names: a torch.nn.Module, or a class or function
    that makes one without arguments. Its input is random, of shape `input_shape`, such as `1,3,224,224`; or the tensor
    that `example` names or makes.

    Raises ValueError (one line, for an error of the user's code with its place) if the module or the tensor cannot be
    imported, made or run, or the module is no chain of layers.
    """
    if (input_shape is None) == (example is None):
        raise ValueError(f"{model}: must come with --input-shape, such as 1,3,224,224, or with --example")
    shape = () if input_shape is None else _shape(input_shape)
    module = _made(model, nn.Module)
    given = _random(shape, module) if example is None else _made(example, Tensor)
    try:
        return take_own_profile(name, module, given)
    except NotAChain as error:
        raise ValueError(f"{model}: {error}") from error
    except (Exception, SystemExit) as error:  # the user's code can raise anything
        shown = ", ".join(map(str, given.shape))
        raise ValueError(f"{model}: forward of an input of shape {shown} raised {in_one_line(error)}") from error


def _shape(text: str) -> tuple[int, ...]:
    sizes = text.split(",")
    if not all(re.fullmatch("0*[1-9][0-9]{0,17}", size) for size in sizes):
        raise ValueError(f"--input-shape {text}: must be whole numbers above 0, such as 1,3,224,224")
    return tuple(map(int, sizes))


def _random(shape: tuple[int, ...], module: nn.Module) -> Tensor:
    """Return normal draws in the precision of the module's weights. Raises ValueError if memory cannot hold them."""
    dtype = next((weights.dtype for weights in module.parameters()), torch.float32)
    try:
        return torch.randn(shape, generator=torch.Generator().manual_seed(EXAMPLE_SEED)).to(dtype)
    except RuntimeError as error:
        raise ValueError(f"--input-shape {','.join(map(str, shape))}: must fit into the memory") from error


def _made(name: str, kind: type[Made]) -> Made:
    """Import what `module:attribute` names, first from the working folder; call it unless it is of that kind itself."""
    rule = f"must be a torch {kind.__name__}, or make one without arguments"
    try:
        found = load_class(name, Path())
        made = found if isinstance(found, kind) else found()
    except (Exception, SystemExit) as error:  # the user's code can raise anything
        raise ValueError(f"{name}: {rule} ({import_failure(name, error)})") from error
    if not isinstance(made, kind):
        raise ValueError(f"{name}: {rule}, not {type(made).__name__}")
    return made
