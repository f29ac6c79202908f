"""Networks, sampling and entropy."""

import numpy as np
import pytest
import torch
from scipy import stats

from agents.learning.heads import Shape
from agents.learning.networks import (
    MakeNetwork,
    SeparateNetworks,
    SharedTrunk,
    entropy,
    joint,
    one_thread,
    sample,
)
from agents.learning.training.curve import explained_variance
from agents.learning.training.weights import require_finite

SHAPE = Shape(features=5, heads=3, outcomes=4)


def test_samples_follow_the_probabilities_and_the_mask() -> None:
    probabilities = torch.tensor([0.5, 0.3, 0.0, 0.2])
    rng = torch.Generator().manual_seed(1)
    drawn = sample(probabilities.log().expand(40_000, 4), rng)
    counts = np.bincount(drawn.numpy(), minlength=4)
    assert counts[2] == 0
    assert stats.chisquare(counts[[0, 1, 3]], 40_000 * np.array([0.5, 0.3, 0.2])).pvalue > 0.01


def test_entropy_ignores_masked_outcomes() -> None:
    probabilities = torch.tensor([[[0.5, 0.25, 0.0, 0.25]], [[1.0, 0.0, 0.0, 0.0]]], requires_grad=True)
    found = entropy(probabilities.log())
    assert found.tolist() == pytest.approx([1.5 * np.log(2), 0.0])
    logits = torch.zeros(1, 1, 3, requires_grad=True)
    masked = torch.log_softmax(logits.masked_fill(torch.tensor([[[False, True, False]]]), -torch.inf), -1)
    (gradient,) = torch.autograd.grad(entropy(masked).sum(), logits)
    assert torch.isfinite(gradient).all()


def test_probability_and_entropy_of_an_action_are_those_of_independent_heads() -> None:
    """Enumerates all K^M actions."""
    log_p = torch.log_softmax(torch.randn((2, *SHAPE[1:]), generator=torch.Generator().manual_seed(3)), -1).double()
    outcomes = torch.arange(SHAPE.outcomes)
    actions = torch.cartesian_prod(*[outcomes] * SHAPE.heads)
    for row in log_p:
        found = joint(row.expand(len(actions), -1, -1), actions)
        for action, each in zip(actions.tolist(), found.tolist(), strict=True):
            assert each == pytest.approx(sum(float(row[head, outcome]) for head, outcome in enumerate(action)))
        assert float(found.exp().sum()) == pytest.approx(1)
        assert float(entropy(row)) == pytest.approx(float(-(found.exp() * found).sum()))


@pytest.mark.parametrize("network", [SeparateNetworks, SharedTrunk])
def test_networks_mask_outcomes_of_each_head(network: MakeNetwork) -> None:
    model = network(SHAPE, 8, torch.Generator().manual_seed(1))
    observations = torch.randn((6, 2, SHAPE.features), generator=torch.Generator().manual_seed(2))
    masks = torch.rand((6, 2, *SHAPE[1:]), generator=torch.Generator().manual_seed(4)) < 0.6
    masks[..., 0] = True
    log_p, values = model(observations, masks)
    assert log_p.shape == (6, 2, 3, 4)
    assert values.shape == (6, 2)
    assert torch.equal(torch.isneginf(log_p), ~masks)
    torch.testing.assert_close(log_p.exp().sum(-1), torch.ones(6, 2, 3))


def test_a_shared_trunk_grows_with_the_sum_of_outcomes() -> None:
    rng = torch.Generator().manual_seed(1)
    small, large = (SharedTrunk(Shape(5, heads, 4), 8, rng).weights() for heads in (1, 6))
    assert {name for name in small if small[name].shape != large[name].shape} == {"heads.0.weight", "heads.0.bias"}
    assert large["heads.0.weight"].shape == (24, 8)


def test_explained_variance() -> None:
    returns = np.array([1, 2, 4], dtype=np.float32)
    assert explained_variance(returns, returns) == 1
    assert explained_variance(returns + 3, returns) == pytest.approx(1)  # a constant offset has no variance
    assert explained_variance(np.zeros_like(returns), returns) == pytest.approx(0)
    assert np.isnan(explained_variance(returns, np.ones_like(returns)))


def test_threads_are_restored_after_an_error() -> None:
    torch.set_num_threads(2)
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert torch.get_num_threads() == 2


def test_weights_must_be_finite() -> None:
    require_finite("ppo", {"bias": np.zeros(2, dtype=np.float32)})
    with pytest.raises(ValueError, match=r"^ppo: settings must keep the weights finite"):
        require_finite("ppo", {"bias": np.array([0, np.nan], dtype=np.float32)})
