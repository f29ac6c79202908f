"""What can be set of each learner: plain data, so that a setting is checked before a learning library is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LARGEST = 1e30  # beyond any sense, and within single precision, which overflows with a stack trace
Settings = TypeVar("Settings", bound="DataclassInstance")


@dataclass(frozen=True)
class PpoSettings:
    """The tasks of the environment are uncoupled: no decision changes a later reward, so that `gamma` 0
    is exact and every advantage is a reward minus its expectation."""

    total_steps: int = 150_000
    environments: int = 64
    rollout_steps: int = 32
    learning_rate: float = 1e-3  # falls to 0
    gamma: float = 0.0
    gae_lambda: float = 0.95
    epochs: int = 6
    minibatches: int = 4
    clip: float = 0.2
    entropy_weight: float = 0.1  # falls to 0
    value_weight: float = 0.5
    gradient_norm: float = 0.5
    hidden: int = 64  # units of each of two tanh layers


@dataclass(frozen=True)
class A3cSettings:
    """Each worker steps a few environments at once, where the paper's has one: the network's overhead is
    paid once for all of them. With `asynchronous` workers are threads that update the shared parameters
    whenever they are ready, and no two runs agree; without it they take turns, each computing its
    gradient from the parameters of its own last turn, as stale as threads would have them.

    The tasks of the environment are uncoupled: no decision changes a later reward, so `gamma` 0 is exact.
    """

    total_steps: int = 150_000
    workers: int = 4
    environments: int = 16  # of each worker
    rollout_steps: int = 8  # n of the n-step return
    learning_rate: float = 3e-3  # falls to 0
    decay: float = 0.99  # of RMSProp's squares, which all workers share
    gamma: float = 0.0
    entropy_weight: float = 0.1  # falls to 0
    value_weight: float = 0.5
    gradient_norm: float = 0.5
    hidden: int = 64  # units of each of two tanh layers
    asynchronous: bool = False


def check_settings(kind: str, settings: Mapping[str, Any]) -> None:
    """Raise ValueError, one line, unless `settings` may stand under a policy of type `kind` (`ppo` or `a3c`)."""
    if kind == "ppo":
        changed(PpoSettings(), settings)
    elif kind == "a3c":
        changed(A3cSettings(), settings)
    else:
        raise ValueError(f"agent={kind}: must be ppo or a3c")


def changed(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """The settings with some values replaced. Raises ValueError for a name that is none of them, a value
    of another type, a count below 1, or a number that is negative, not finite or beyond LARGEST."""
    known = {field.name: type(getattr(settings, field.name)) for field in fields(settings)}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"settings.{name}: must be one of {', '.join(known)}")
        rule = _broken_rule(known[name], value)
        if rule:
            raise ValueError(f"settings.{name}={value!r}: must be {rule}")
    return replace(settings, **values)


def _broken_rule(wanted: type, value: object) -> str | None:
    """What a value of the wanted type must be, if this one is not. All integers among the settings are counts."""
    if wanted is bool:
        return None if isinstance(value, bool) else "true or false"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if wanted is int:
        return None if number and isinstance(value, int) and value >= 1 else "a whole number of at least 1"
    fits = number and isinstance(value, int | float) and 0 <= value <= LARGEST
    return None if fits else f"a number from 0 to {LARGEST:g}"
