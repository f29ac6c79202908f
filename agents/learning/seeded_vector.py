"""The base of vector environments whose environments draw from generators of their own."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from emulator.core.arrays import Float32s, Ints, is_integer


class SeededVector(gymnasium.vector.VectorEnv[Float32s, Ints, npt.NDArray[Any]]):
    """Environment i draws what the scalar one draws after a reset with seed + i.

    The autoreset mode is NEXT_STEP, Gymnasium's default: the step after an episode's end ignores its action, has reward
    0 and returns the next episode's first observation. Returned arrays belong to the caller. Raises ValueError for less
    than one environment.
    """

    def __init__(
        self,
        num_envs: int,
        observation_space: "gymnasium.Space[Float32s]",
        action_space: gymnasium.spaces.Discrete | gymnasium.spaces.MultiDiscrete,
    ) -> None:
        if not is_integer(num_envs) or num_envs < 1:
            raise ValueError(f"num_envs={num_envs}: must be a whole number of at least 1")
        self.metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}
        self.num_envs = num_envs
        self.single_observation_space, self.single_action_space = observation_space, action_space
        self.observation_space = batch_space(observation_space, num_envs)
        self.action_space = batch_space(action_space, num_envs)
        self._generators: list[np.random.Generator] = []
        self._has_begun = False
        of_each: Ints = np.array(
            action_space.n if isinstance(action_space, gymnasium.spaces.Discrete) else action_space.nvec
        )
        self._outcomes = np.broadcast_to(of_each, (num_envs, *of_each.shape))

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Float32s, dict[str, Any]]:
        """Start the next episode in every environment. Raises ValueError for options, as there are none, and for
        another number of seeds than of environments."""
        if options:
            raise ValueError(f"options={dict(options)}: must be empty")
        self.seed(seed)
        return self._start_all()

    def seed(self, seed: int | list[int | None] | None) -> None:
        """Seed the environments as a reset does, and start none. Raises ValueError for another number of seeds than of
        environments."""
        seeds = seed if isinstance(seed, list) else [None if seed is None else seed + i for i in range(self.num_envs)]
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed={seeds}: must be a number, or a list of {self.num_envs}")
        self._seed(seeds)
        self._has_begun = True

    def _checked(self, actions: Ints) -> Ints:
        """Return the actions as int64. Raises ResetNeeded before the first reset, and ValueError for actions that are
        not in the space."""
        if not self._has_begun:
            raise gymnasium.error.ResetNeeded("no episode has begun: call reset first")
        chosen = np.asarray(actions)
        fits = chosen.shape == self._outcomes.shape and np.issubdtype(chosen.dtype, np.integer)
        if not fits or np.any((chosen < 0) | (chosen >= self._outcomes)):
            count = " x ".join(str(size) for size in self._outcomes.shape)
            raise ValueError(f"actions={chosen.tolist()}: must be {count} numbers in 0..{self._outcomes.max() - 1}")
        return chosen.astype(np.int64, copy=False)

    def _seed(self, seeds: Sequence[int | None]) -> None:
        """Seed the environments. None leaves one as it is, and seeds it at random if it never was."""
        before = self._generators
        self._generators = [
            before[index] if before and each is None else np_random(each)[0] for index, each in enumerate(seeds)
        ]

    @abstractmethod
    def _start_all(self) -> tuple[Float32s, dict[str, Any]]:
        """Start the next episode in every environment."""
