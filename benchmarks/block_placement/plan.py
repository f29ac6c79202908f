"""What is measured: the default problem with many seeds, and the published ranges with few."""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from agents.block_placement.environment import problem_of
from agents.block_placement.fixed import best_fixed
from agents.block_placement.learned import LEARNERS, Learn, learn_mt_a3c, training_settings
from agents.block_placement.policies import POLICIES, Choose
from agents.block_placement.rollout import cost_bound_s, episode_means

TEST_SEED = 1_000  # seed n is tested on episodes TEST_SEED + n, which no training draws
FIXED = ("greedy", "even-split", "random")  # the published baselines that do not learn
BOUND = "bound"  # no policy: `cost_bound_s`
SLOTS = {"mt-a3c": 100_000, "a2c": 100_000, "a3c": 100_000, "ppo": 100_000, "dqn": 4_000}  # of training
LENGTHS = "training_slots"  # the sweep over the length of training
NETWORK = "network"  # the sweep over networks with default speeds: numbers in NETWORKS
NETWORKS = ("resnet32", "nin", "vgg16")
BEST_FIXED = "best-fixed"  # `best_fixed`
FIXED_SLOTS = {"printed": 1_000, "mended": 40}  # from which it is chosen, in the mended form by enumeration
SWEEPS: Mapping[str, Sequence[int]] = {
    "servers": range(2, 10),
    "blocks": range(3, 22, 3),
    "tasks_per_slot": range(30, 111, 20),
    NETWORK: range(len(NETWORKS)),
    LENGTHS: (50_000, 300_000, 1_800_000),  # the last as published: 3,000 episodes of 600 slots
}
# Changes within the published method, of MT-A3C's 64 environments a worker and its weight of the entropy of 0.05.
IDEAS: Mapping[str, partial[Choose]] = {
    "larger rollouts": partial(learn_mt_a3c, num_envs=512),
    "more entropy": partial(learn_mt_a3c, ent_coef=0.3),
    "both": partial(learn_mt_a3c, num_envs=512, ent_coef=0.3),
}
LEARN: Mapping[str, Learn] = {**LEARNERS, **IDEAS, BEST_FIXED: best_fixed}
IDEAS_SLOTS = 300_000  # of training, at which ideas are tried
MOST_ENUMERATED = 50_000  # placements of a slot: minutes a row
SWEPT: Mapping[str, Mapping[str, Any]] = {  # VGG16 is the only one with 21 layers
    "blocks": {"networks": ("vgg16",)},
    LENGTHS: {"networks": ("vgg16",), "blocks": 21},
}
# VGG16 has 22 times the work of AlexNet: processors 20 times as fast, by parallel units, at the same energy for an
# operation, keep delays and loads of the same order.
FASTER = {
    "device_flops_per_s": 2e10,
    "slowest_server_flops_per_s": 8e10,
    "fastest_server_flops_per_s": 2e11,
    "chip_factor": 2.5e-29,
    "energy_max_j": 2e5,
}
# Of an episode of training. Over a whole episode of the mended form a policy that still learns lets queues grow to
# hours, whose costs drown all others; it then learns to leave the servers alone.
TRAINING_SLOTS = 4
SWEEP_SLOTS = 150  # of a test episode of the sweeps


class Case(NamedTuple):
    """One problem: a form with one setting changed (`sweep` = `value`), or the default (`sweep` empty)."""

    form: str
    sweep: str
    value: int


class Form(NamedTuple):
    """How much is measured: seeds of the default problem by form and of each point of the sweeps; the policies that
    learn the default problem by form, and those that learn in the sweeps, in half the slots; the sweeps by form."""

    seeds: Mapping[str, int]
    sweep_seeds: int
    learned: Mapping[str, tuple[str, ...]]
    swept: tuple[str, ...]
    sweeps: Mapping[str, tuple[str, ...]]


QUICK = Form(
    {"printed": 3, "mended": 3},
    1,
    {"printed": ("mt-a3c", "a3c"), "mended": ("mt-a3c",)},
    ("mt-a3c",),
    {"printed": ("servers", "blocks"), "mended": ("servers", "blocks", "tasks_per_slot")},
)
FULL = Form(  # as printed, the number of tasks changes nothing
    {"printed": 10, "mended": 5},
    5,
    {"printed": ("mt-a3c", "a2c", "a3c", "ppo", "dqn"), "mended": ("mt-a3c", "a3c", "dqn", "ppo")},
    ("mt-a3c", "a3c", "dqn"),
    {"printed": ("servers", "blocks", NETWORK, LENGTHS), "mended": ("servers", "blocks", "tasks_per_slot")},
)


def settings_of(case: Case) -> dict[str, Any]:
    """Return the settings of `problem_of` for a case."""
    settings: dict[str, Any] = dict(SWEPT.get(case.sweep, {}))
    if "networks" in settings:
        settings |= FASTER
    if case.sweep == NETWORK:
        return settings | {"networks": (NETWORKS[case.value],)}
    return settings | ({case.sweep: case.value} if case.sweep not in ("", LENGTHS) else {})


def cases(form: Form) -> Iterator[tuple[Case, str, int]]:
    """Yield each case, policy and seed, the most important first."""
    for name, seeds in form.seeds.items():
        for seed in range(seeds):
            case = Case(name, "", 0)
            for policy in (*form.learned[name], *FIXED, "all-device", *references(case)):
                yield case, policy, seed
        for seed in range(form.sweep_seeds):
            for case in [Case(name, sweep, value) for sweep in form.sweeps[name] for value in SWEEPS[sweep]]:
                for policy in (*_swept(form, case), *references(case)):
                    yield case, policy, seed


def _swept(form: Form, case: Case) -> tuple[str, ...]:
    if case.sweep == LENGTHS:
        return ("mt-a3c", *(IDEAS if case.value == IDEAS_SLOTS else ()))
    return ("mt-a3c", *FIXED) if case.sweep == NETWORK else (*form.swept, *FIXED)


def references(case: Case) -> tuple[str, ...]:
    """Return the optimum of the printed form, or the best that is known of the mended one, where it is enumerable; and
    the rules of one line that a learner has to beat."""
    settings = problem_of(case.form, **settings_of(case)).settings
    if case.form == "printed":
        return ("viterbi", "best-server", BEST_FIXED)
    few = (settings.servers + 1) ** settings.blocks <= MOST_ENUMERATED
    return ("viterbi", "myopic", BOUND, BEST_FIXED) if few else ("viterbi",)


def slots_of(case: Case, policy: str) -> int:
    """Return the slots of a training."""
    if policy == BEST_FIXED:
        return FIXED_SLOTS[case.form]
    if case.sweep == LENGTHS:
        return case.value
    return SLOTS[policy] // (2 if case.sweep else 1)


def digest(case: Case, policy: str) -> str:
    """Return a digest of the settings on which a row depends: of the problem, the test and the training."""
    depends: list[Any] = [problem_of(case.form, **settings_of(case)).settings, SWEEP_SLOTS if case.sweep else 0]
    if policy in LEARN:
        slots = slots_of(case, policy)
        changed = IDEAS[policy].keywords if policy in IDEAS else {}
        depends += [TRAINING_SLOTS, slots, training_settings(policy, slots), changed]
    return hashlib.sha256(repr(depends).encode()).hexdigest()[:8]


def measure(case: Case, policy: str, seed: int) -> dict[str, Any]:
    """Return a row: the means of one test episode, and the processor time of the training."""
    settings = settings_of(case)
    problem = problem_of(case.form, **settings, **({"slots": SWEEP_SLOTS} if case.sweep else {}))
    training = problem_of(case.form, **settings, slots=TRAINING_SLOTS)
    row = {**case._asdict(), "policy": policy, "seed": seed, "settings": digest(case, policy)}
    if policy == BOUND:
        return {**row, "cost_s": float(cost_bound_s(problem, [TEST_SEED + seed])[0])}
    begun = time.process_time()
    learns = policy in LEARN
    choose = LEARN[policy](training, slots_of(case, policy), seed) if learns else POLICIES[policy]
    training_s = time.process_time() - begun
    means = episode_means(problem, choose, [TEST_SEED + seed])
    numbers = {name: float(values[0]) for name, values in means._asdict().items()}
    return {**row, **numbers, "training_s": training_s}
