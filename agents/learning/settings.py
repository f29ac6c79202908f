"""Settings of the learning algorithms: plain data, checked before a learning library is loaded.

The names are those of CleanRL, where it has the setting.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from emulator.core.errors import Mistakes
from topologies.schema.messages import did_you_mean, nearest

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LARGEST_SETTING = 1e30  # larger than any sensible value, and still within single precision, which torch uses
SHARES = ("gamma", "gae_lambda", "decay")
Settings = TypeVar("Settings", bound="DataclassInstance")


@dataclass(frozen=True)
class PpoSettings:
    """Settings of PPO.

    `gamma` is the discount of a step or, where steps say how long they take, of a second. 0 is exact where tasks are
    uncoupled: no decision changes a later reward, and the advantage is the reward minus its expected value.
    """

    total_timesteps: int = 150_000
    num_envs: int = 64
    num_steps: int = 32
    learning_rate: float = 1e-3  # at the start; decays linearly to 0
    gamma: float = 0.0
    gae_lambda: float = 0.95
    update_epochs: int = 6
    num_minibatches: int = 4
    clip_coef: float = 0.2
    ent_coef: float = 0.1  # at the start; decays linearly to 0
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    hidden: int = 64  # units of each of the two tanh layers
    credit_steps: int = 512  # for which a step waits for its reward, in environments that credit rewards to steps


@dataclass(frozen=True)
class A2cSettings:
    """Settings of A2C. `gamma` 0 is exact, as in PPO."""

    total_timesteps: int = 150_000
    num_envs: int = 16
    num_steps: int = 8  # n of the n-step returns
    learning_rate: float = 3e-3  # at the start; decays linearly to 0
    decay: float = 0.99  # of RMSProp's mean squared gradients
    gamma: float = 0.0
    ent_coef: float = 0.1  # at the start; decays linearly to 0
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    hidden: int = 64  # units of each of the two tanh layers
    credit_steps: int = 512  # as in PPO


@dataclass(frozen=True)
class A3cSettings(A2cSettings):
    """Settings of A3C. All but `workers` and `asynchronous` are those of A2C; `num_envs` are of each worker.

    Each worker steps several environments in one batch (in the paper: one), which saves calls of the network.
    If `asynchronous`, workers are processes that update the shared parameters as soon as they are ready, and no two
    runs agree. Otherwise workers take turns; each computes its gradient from the parameters of its own last turn,
    which are as stale as those of a process. All share the mean squared gradients of RMSProp.
    """

    workers: int = 4
    asynchronous: bool = False


LearnerSettings = PpoSettings | A2cSettings
DEFAULTS: Mapping[str, LearnerSettings] = {"ppo": PpoSettings(), "a2c": A2cSettings(), "a3c": A3cSettings()}
# Of tasks that meet. Their costs are credited to their own decisions, so that `gamma` 0 learns what is best for each
# task among the others, and more also counts what it costs the next ones. Measured: docs/offload.md.
COUPLED_DEFAULTS: Mapping[str, LearnerSettings] = {
    "ppo": PpoSettings(num_steps=64, ent_coef=0.05),
    "a2c": A2cSettings(num_steps=32, ent_coef=0.05),
    "a3c": A3cSettings(num_steps=32, ent_coef=0.05),
}


def check_settings(kind: str, settings: Mapping[str, Any]) -> None:
    """Raise ValueError (one line) unless `settings` are valid for a policy of type `kind`, a key of DEFAULTS."""
    if kind not in DEFAULTS:
        raise ValueError(f"agent={kind}: must be {', '.join(DEFAULTS)}")
    changed(DEFAULTS[kind], settings)


def changed(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Return the settings with some values replaced. Raises Mistakes, a ValueError, for unknown names, values of the
    wrong type, counts below 1, and numbers that are negative, not finite or above LARGEST_SETTING (SHARES: 1)."""
    known = {field.name: type(getattr(settings, field.name)) for field in fields(settings)}
    lines = []
    for name, value in values.items():
        if name not in known:
            lines.append(f"settings.{name}: must be one of {', '.join(known)}{did_you_mean(nearest(name, known))}")
        elif rule := _broken_rule(known[name], value, 1 if name in SHARES else LARGEST_SETTING):
            lines.append(f"settings.{name}={value!r}: must be {rule}")
    if lines:
        raise Mistakes(lines)
    return replace(settings, **values)


def _broken_rule(wanted: type, value: object, most: float) -> str | None:
    """Return the rule that the value breaks, or None. All integer settings are counts, others are at most `most`."""
    if wanted is bool:
        return None if isinstance(value, bool) else "true or false"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if wanted is int:
        return None if number and isinstance(value, int) and value >= 1 else "a whole number of at least 1"
    fits = number and isinstance(value, int | float) and 0 <= value <= most
    return None if fits else f"a number from 0 to {most:g}"
