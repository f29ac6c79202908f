"""Vector environments for Stable-Baselines3, which this module imports (optional: `airsplit[baselines]`)."""

from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from stable_baselines3.common.vec_env import VecEnv


class OfStableBaselines(VecEnv):  # type: ignore[misc]  # a class of an extra, which mypy does not read
    """A Gymnasium vector environment whose episodes all end together, for Stable-Baselines3: the step that ends them
    returns the first observations of the next ones. The interface is that of `VecEnv`."""

    def __init__(self, environment: "VectorEnv[Any, Any, Any]") -> None:
        self.environment = environment
        super().__init__(environment.num_envs, environment.single_observation_space, environment.single_action_space)

    def reset(self) -> Any:
        """Start the next episodes, with the seeds of `seed()` if it was called since the last reset."""
        observations = self.environment.reset(seed=self._seeds)[0]
        self._reset_seeds()
        return observations

    def step_async(self, actions: Any) -> None:
        """Keep the actions of the next step."""
        self.actions = actions

    def step_wait(self) -> Any:
        """Take a step. Raises ValueError if some episodes end and others go on."""
        observations, rewards, terminated, truncated, _ = self.environment.step(self.actions)
        ended = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if ended.any():
            if not ended.all():
                raise ValueError("environment: all episodes must end together")
            pairs = zip(observations, truncated & ~terminated, strict=True)
            infos = [{"terminal_observation": last, "TimeLimit.truncated": bool(cut)} for last, cut in pairs]
            observations = self.environment.reset()[0]
        return observations, rewards.astype(np.float32), ended, infos

    def close(self) -> None:
        """Close the environment."""
        self.environment.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of the vector environment, once for each environment."""
        return [getattr(self.environment, attr_name, None)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Raise NotImplementedError: nothing here is set from outside."""
        raise NotImplementedError

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Raise NotImplementedError: there are no separate environments to call."""
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return False for each environment."""
        return [False] * self.num_envs
