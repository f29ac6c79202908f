"""States of networks, optimisers and generators of torch."""

import torch
from torch import nn

from agents.learning.training.state import Arrays, TrainingState, assign


def network_state(model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> TrainingState:
    """Return a copy of the parameters, and of what the optimiser keeps of each."""
    arrays: Arrays = {}
    for name, parameter in model.named_parameters():
        arrays[f"weights.{name}"] = parameter.detach().numpy().copy()
        for key, values in (optimizer.state.get(parameter, {}) if optimizer is not None else {}).items():
            arrays[f"{key}.{name}"] = values.numpy().copy()
    return TrainingState(arrays, {})


def restore_network(model: nn.Module, optimizer: torch.optim.Optimizer | None, state: TrainingState) -> None:
    """Give parameters and optimiser a state. Raises KeyError or ValueError if it is of other parameters."""
    for name, parameter in model.named_parameters():
        assign(parameter.detach().numpy(), state.arrays[f"weights.{name}"])
    if optimizer is None:
        return
    for name, parameter in model.named_parameters():
        kept = {key.removesuffix(f".{name}"): each for key, each in state.arrays.items() if key.endswith(f".{name}")}
        del kept["weights"]
        optimizer.state[parameter] = {key: torch.from_numpy(each.copy()) for key, each in kept.items()}


def generator_state(rng: torch.Generator) -> TrainingState:
    """Return a copy of a generator's state."""
    return TrainingState({"generator": rng.get_state().numpy().copy()}, {})


def restore_generator(rng: torch.Generator, state: TrainingState) -> None:
    """Give a generator a state. Raises KeyError or RuntimeError if it is none."""
    rng.set_state(torch.from_numpy(state.arrays["generator"]))
