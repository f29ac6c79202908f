"""PPO in NumPy equals PPO in torch."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agents.learning import fast_ppo, ppo
from agents.learning.draws import Draws
from agents.learning.flat_networks import SEPARATE, SHARED, FlatNetworks
from agents.learning.heads import MakeEnvironment, Shape
from agents.learning.network_kernels import biased_tanh
from agents.learning.networks import MakeNetwork, SeparateNetworks, SharedTrunk
from agents.learning.settings import PpoSettings
from agents.learning.training.supervision import Supervision, TrainingPoint
from tests.agents.learning.problems import Matching, TimedStates, TwoStates

NETWORKS: list[tuple[MakeNetwork, int]] = [(SeparateNetworks, SEPARATE), (SharedTrunk, SHARED)]
PROBLEMS: dict[str, tuple[MakeEnvironment, PpoSettings]] = {
    "heads and masks": (Matching, PpoSettings(3 * 256, num_envs=8, hidden=32)),
    "terminated": (partial(TwoStates, length=7, terminates=True), PpoSettings(3 * 256, num_envs=8, gamma=0.9)),
    "truncated": (partial(TwoStates, length=5), PpoSettings(5 * 60, num_envs=3, num_steps=20, gamma=0.9, hidden=17)),
    "timed": (partial(TimedStates, move_s=2.5), PpoSettings(2 * 256, num_envs=8, gamma=0.9, hidden=17)),
    "uneven minibatches": (Matching, PpoSettings(2 * 35, num_envs=5, num_steps=7, update_epochs=2, num_minibatches=3)),
}


@pytest.mark.parametrize(("network", "trunks"), NETWORKS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_both_learn_the_same_to_rounding(problem: str, network: MakeNetwork, trunks: int) -> None:
    """Over several updates, with the same draws: parameters and curves."""
    environments, settings = PROBLEMS[problem]
    expected, curve = ppo.train(environments, settings, 11, network=network)
    found, again = fast_ppo.train(environments, settings, 11, trunks=trunks)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].shape == values.shape
        np.testing.assert_allclose(found[name], values, rtol=1e-3, atol=2e-5)
    for point, other in zip(curve, again, strict=True):
        numbers = {name: value for name, value in point.items() if name != "agent"}
        assert {name: other[name] for name in numbers} == pytest.approx(numbers, rel=1e-3, abs=1e-4, nan_ok=True)


@given(seed=st.integers(0, 2**40), count=st.integers(1, 100))
def test_draws_are_those_of_torch(seed: int, count: int) -> None:
    rng, draws = torch.Generator().manual_seed(seed), Draws(seed)
    np.testing.assert_array_equal(draws.uniform((count, 3)), torch.rand((count, 3), generator=rng).numpy())
    np.testing.assert_array_equal(draws.permutation(count), torch.randperm(count, generator=rng).numpy())
    np.testing.assert_array_equal(draws.uniform((2,)), torch.rand(2, generator=rng).numpy())


@pytest.mark.parametrize(("network", "trunks"), NETWORKS)
@pytest.mark.parametrize("shape", [Shape(5, 1, 2), Shape(30, 3, 7)])
def test_first_weights_are_those_of_torch(shape: Shape, network: MakeNetwork, trunks: int) -> None:
    expected = network(shape, 21, torch.Generator().manual_seed(4)).weights()
    networks = FlatNetworks(shape, 21, 1, trunks=trunks)
    assert list(networks.parameters.named()) == list(expected)
    networks.parameters.draw(Draws(4))
    for name, values in networks.parameters.weights().items():
        np.testing.assert_allclose(values, expected[name], atol=1e-5)


def test_the_hyperbolic_tangent_has_the_stated_error() -> None:
    values = np.linspace(-20, 20, 100_000, dtype=np.float32).reshape(10, -1)
    bias = np.linspace(-1, 1, 10, dtype=np.float32)
    expected = np.tanh((values + bias[:, None]).astype(np.float64))
    biased_tanh(values, bias)
    np.testing.assert_allclose(values, expected, rtol=3e-7, atol=0)
    nothing = np.array([[np.nan]], dtype=np.float32)
    biased_tanh(nothing, np.zeros(1, dtype=np.float32))
    assert np.isnan(nothing).all()


def test_the_caller_sees_progress() -> None:
    points: list[TrainingPoint] = []
    settings = PpoSettings(300, num_envs=10, num_steps=10, update_epochs=1)
    _, curve = fast_ppo.train(Matching, settings, 1, Supervision((points.append,)))
    assert [(point.done, point.total) for point in points] == [(100, 300), (200, 300), (300, 300)]
    assert [point.values for point in points] == curve


def test_settings_that_diverge_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^ppo: settings must keep the weights finite"):
        fast_ppo.train(Matching, PpoSettings(4_096, learning_rate=1e30), 1)
