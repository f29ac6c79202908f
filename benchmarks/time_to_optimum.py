"""Time until PPO is within 2 % of a problem's optimum, ours and Stable-Baselines3's, each with its own best settings.

A time is that of a whole training on one thread, in seconds of the processor, so that other load hardly counts.
`search` finds the settings of either side: it draws candidates from one space and keeps the fastest training that ends
within 2 % with each of its seeds. `time_row` measures both with other seeds.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import stats
from threadpoolctl import threadpool_limits
from torch import nn

from agents.learning import fast_ppo
from agents.learning.heads import MakeEnvironment
from agents.learning.networks import one_thread
from agents.learning.settings import PpoSettings
from agents.learning.training.weights import Weights
from benchmarks.rows import Row, row
from emulator.core.arrays import Floats

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

WITHIN = 0.02  # of the optimum
SEEDS = range(1, 6)
SEARCH_SEEDS = range(11, 31)  # many, since the fastest of many candidates is also the luckiest
SLOWER = 1.1  # than the best so far: then a candidate is left


class Challenge(NamedTuple):
    """A problem. `gap`: the distance of an actor's parameters from the optimum on test episodes, as a share of it.
    `peer`: the environments as Stable-Baselines3 takes them."""

    environments: MakeEnvironment
    gap: Callable[[Weights], float]
    peer: "Callable[[int], VecEnv]"


class Trained(NamedTuple):
    """A training's parameters, by the names of `SeparateNetworks`, and its processor time."""

    weights: Weights
    cpu_s: float


Train = Callable[[Challenge, PpoSettings, int], Trained]


def own(challenge: Challenge, settings: PpoSettings, seed: int) -> Trained:
    """Train `agents.learning.fast_ppo`."""
    begun_s = time.process_time()
    weights, _ = fast_ppo.train(challenge.environments, settings, seed)
    return Trained(weights, time.process_time() - begun_s)


def peer(challenge: Challenge, settings: PpoSettings, seed: int) -> Trained:
    """Train Stable-Baselines3's PPO. Each setting has the same meaning, but the weight of the entropy stays as it is
    at the start."""
    from stable_baselines3 import PPO

    steps = settings.num_envs * settings.num_steps
    with one_thread(), threadpool_limits(1, "blas"):
        begun_s = time.process_time()
        model = PPO(
            "MlpPolicy", challenge.peer(settings.num_envs), n_steps=settings.num_steps,
            batch_size=-(-steps // settings.num_minibatches), n_epochs=settings.update_epochs,
            learning_rate=lambda left: settings.learning_rate * left, gamma=settings.gamma,
            gae_lambda=settings.gae_lambda, clip_range=settings.clip_coef, ent_coef=settings.ent_coef,
            vf_coef=settings.vf_coef, max_grad_norm=settings.max_grad_norm,
            policy_kwargs={"net_arch": [settings.hidden] * 2}, seed=seed, device="cpu",
        )  # fmt: skip
        model.learn(settings.total_timesteps // steps * steps)
        cpu_s = time.process_time() - begun_s
    extractor = model.policy.mlp_extractor
    actor, critic = [*extractor.policy_net, model.policy.action_net], [*extractor.value_net, model.policy.value_net]
    named = nn.ModuleDict({"actor": nn.Sequential(*actor), "critic": nn.Sequential(*critic)})
    return Trained({name: values.detach().numpy() for name, values in named.named_parameters()}, cpu_s)


def of_stable_baselines(environments: MakeEnvironment) -> "Callable[[int], VecEnv]":
    """Return our vector environment as Stable-Baselines3 takes it."""
    from agents.learning.stable_baselines import OfStableBaselines

    return lambda count: OfStableBaselines(environments(count))


SIDES: Mapping[str, Train] = {"own": own, "peer": peer}


def search(
    challenge: Challenge,
    side: str,
    space: Mapping[str, Sequence[Any]],
    first: Sequence[PpoSettings],
    rng: np.random.Generator,
    seconds: float,
) -> Iterator[tuple[PpoSettings, float]]:
    """Try candidates for some processor time. Yield each that is the fastest so far of those that are within 2 % of the
    optimum with all seeds of the search, and its mean time in seconds.

    After `first` come, in turns, draws from the whole space and the best with two settings drawn anew. Until one is
    within 2 % with all seeds, the best is the one that is with the most.
    """
    train, end_s = SIDES[side], time.process_time() + seconds
    best, most, best_s = first[0], 0, np.inf
    number = 0
    while time.process_time() < end_s:
        names = list(space)
        if number % 2:
            names = [names[index] for index in rng.permutation(len(names))[:2]]
        drawn = {name: space[name][int(rng.integers(len(space[name])))] for name in names}
        settings = first[number] if number < len(first) else replace(best, **drawn)
        number += 1
        if settings.num_envs * settings.num_steps > settings.total_timesteps:
            continue
        times: list[float] = []
        within = 0
        for seed in SEARCH_SEEDS:
            trained = train(challenge, settings, seed)
            times.append(trained.cpu_s)
            slow = most == len(SEARCH_SEEDS) and np.mean(times) > SLOWER * best_s
            if slow or challenge.gap(trained.weights) > WITHIN:
                break
            within += 1
        if (within, -float(np.mean(times))) > (most, -best_s):
            best, most, best_s = settings, within, float(np.mean(times))
            if within == len(SEARCH_SEEDS):
                yield best, best_s


def time_row(name: str, challenge: Challenge, settings: Mapping[str, PpoSettings]) -> Row:
    """Measure both sides with the same seeds, in turns: the mean processor time of a training, and the ratio of the
    means with its 95 % interval (BCa bootstrap over seeds). `within` and `peer_within` count the seeds that end within
    2 %: a side is only as fast as it says if all do."""
    for side, train in SIDES.items():
        train(challenge, settings[side], SEEDS[0])  # compiles, loads libraries
    times = {side: np.zeros(len(SEEDS)) for side in SIDES}
    within = dict.fromkeys(SIDES, 0)
    with one_thread():  # threads of an evaluation would spin on, in the next training's time
        for number, seed in enumerate(SEEDS):
            for side, train in SIDES.items():
                trained = train(challenge, settings[side], seed)
                times[side][number] = trained.cpu_s
                within[side] += challenge.gap(trained.weights) <= WITHIN
    ratio = _ratio(times["peer"], times["own"])
    interval = stats.bootstrap((times["peer"], times["own"]), _ratio, paired=True, rng=np.random.default_rng(0))
    low, high = interval.confidence_interval
    return row(name, times["own"].mean(), "s", "stable-baselines3 PPO", times["peer"].mean(), ratio) | {
        "ratio_low": round(low, 2), "ratio_high": round(high, 2),
        "seeds": len(SEEDS), "within": within["own"], "peer_within": within["peer"],
    }  # fmt: skip


def _ratio(slow: Floats, fast: Floats, axis: int = -1) -> Any:
    return np.mean(slow, axis=axis) / np.mean(fast, axis=axis)
