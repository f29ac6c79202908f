"""PPO on LayerSplit's measured losses against the optimum of the finite horizon."""

from dataclasses import replace

from agents.layer_split.environment import problem_of
from agents.layer_split.exact import optimal_episodes
from agents.layer_split.learned import most_likely, play
from agents.layer_split.setting import MENDED, WIDE
from benchmarks.layer_split.agents import SETTINGS, fixed_policies, ppo
from benchmarks.layer_split.agents import test_starts as episode_starts


def test_ppo_is_within_a_percent_of_the_optimum() -> None:
    """Both training seeds, where always towards split 1 loses almost ten percent."""
    problem = problem_of("scalars", replace(MENDED, level_range=WIDE))
    starts = episode_starts(problem)
    optimum = optimal_episodes(problem, starts).returns.mean()
    assert SETTINGS.total_timesteps == 150_000
    for seed in (1, 2):
        earned = play(problem, starts, most_likely(ppo(problem, seed))).returns.mean()
        assert 0.99 * optimum <= earned <= optimum
    simple = play(problem, starts, fixed_policies(problem)["to split 1"]).returns.mean()
    assert simple < 0.95 * optimum
