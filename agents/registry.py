"""From a policy's name and options to the policy."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from agents.baselines import AllDevice, AllEdge, FixedSplit, Greedy, Random, Replay, load_decisions
from agents.checkpoint import Checkpoint
from agents.exact import ExactOnLastMeasurement
from agents.learned import Learned
from emulator.policy import Policy
from emulator.system import System


def make_policy(kind: str, options: Mapping[str, Any], system: System, checkpoint: Checkpoint | None = None) -> Policy:
    """The policy of a type: random, all-device, all-edge, greedy, exact, fixed (option `splits`: task
    name to {cut, node}), replay (option `file`), ppo or a3c (with a checkpoint), or a user's own class
    by `module:Class`, called with the options as keyword arguments.

    Raises ValueError, one line, for a type, an option or a checkpoint that cannot be.
    """
    makers: dict[str, Callable[[], Policy]] = {
        "random": lambda: Random(system.seed),
        "all-device": AllDevice,
        "all-edge": lambda: AllEdge(system),
        "greedy": Greedy,
        "exact": ExactOnLastMeasurement,
        "fixed": lambda: FixedSplit({name: (each["cut"], each["node"]) for name, each in options["splits"].items()}),
        "replay": lambda: Replay(load_decisions(Path(options["file"]))),
        "ppo": lambda: _learned(kind, system, checkpoint),
        "a3c": lambda: _learned(kind, system, checkpoint),
    }
    if kind in makers:
        return makers[kind]()
    if ":" in kind:
        return _users_own(kind, options)
    raise ValueError(f"type={kind}: must be {', '.join(makers)} or module:Class")


def _learned(kind: str, system: System, checkpoint: Checkpoint | None) -> Policy:
    if checkpoint is None:
        raise ValueError(f"type={kind}: must have a checkpoint")
    return Learned(checkpoint, system)


def _users_own(kind: str, options: Mapping[str, Any]) -> Policy:
    module, _, name = kind.partition(":")
    try:
        policy = getattr(importlib.import_module(module), name)(**options)
    except (ImportError, AttributeError, TypeError) as error:
        raise ValueError(f"type={kind}: must be a class that can be imported and made ({error})") from error
    if not callable(getattr(policy, "decide", None)):
        raise ValueError(f"type={kind}: must have a method decide(observation)")
    return cast(Policy, policy)
