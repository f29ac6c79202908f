"""Arrivals and lengths follow their distributions, and depend on their stream only."""

from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest
from scipy import stats

from emulator.core.units import NS_PER_S
from emulator.task import Task
from emulator.workload import CHUNK, Arrivals, Periodic, Poisson, Recorded, Stream, Tokens
from tests.emulator.systems import CHAT, IMAGE

FOREVER_NS = 2**62


def arrivals_ns(tasks: list[Task]) -> list[int]:
    return [task.arrival_ns for task in tasks]


def first_tasks(stream: Stream, count: int, seed: int = 1) -> list[Task]:
    return list(islice(stream.tasks(seed, FOREVER_NS), count))


def test_poisson_gaps_are_exponential_independent_and_in_order() -> None:
    """Over many chunks, so that the seams between them are in the sample too."""
    times = arrivals_ns(first_tasks(Stream("ue1", IMAGE, Poisson(50.0)), 20 * CHUNK))
    gaps = np.diff(times, prepend=0)
    assert (gaps >= 0).all()
    assert stats.kstest(gaps, "expon", args=(0, NS_PER_S / 50)).pvalue > 1e-3
    assert stats.kstest(gaps[CHUNK::CHUNK], "expon", args=(0, NS_PER_S / 50)).pvalue > 1e-3  # the seams
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 4 / np.sqrt(len(gaps))


def test_poisson_counts_have_the_variance_of_their_mean() -> None:
    """Index of dispersion of 2 000 seconds' counts: 1 within four standard deviations, sqrt(2 / 2 000)."""
    times = np.array(arrivals_ns(list(Stream("ue1", IMAGE, Poisson(8.0)).tasks(3, 2_000 * NS_PER_S))))
    counts = np.bincount(times // NS_PER_S, minlength=2_000)
    assert counts.mean() == pytest.approx(8.0, abs=4 * np.sqrt(8 / 2_000))
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=4 * np.sqrt(2 / 2_000))


def test_periodic_arrivals_start_at_their_phase() -> None:
    stream = Stream("ue1", IMAGE, Periodic(250, 70))
    assert arrivals_ns(list(stream.tasks(1, 1_070))) == [70, 320, 570, 820]
    assert arrivals_ns(list(stream.tasks(1, 1_071))) == [70, 320, 570, 820, 1_070]


def test_recorded_arrivals_keep_their_times_and_lengths() -> None:
    recorded = Recorded((5, 5, 90), (10, 20, 30), (1, 2, 3))
    tasks = list(Stream("ue1", CHAT, recorded).tasks(1, 90))
    assert [(each.arrival_ns, each.prompt_tokens, each.output_tokens) for each in tasks] == [(5, 10, 1), (5, 20, 2)]
    assert [task.number for task in Stream("ue1", CHAT, recorded).tasks(1, 91)] == [0, 1, 2]


def test_recorded_arrivals_without_lengths_draw_them() -> None:
    stream = Stream("ue1", CHAT, Recorded((1, 2, 3)), Tokens(50, 100, 5, 10))
    assert all(task.prompt_tokens >= 1 and task.output_tokens >= 1 for task in stream.tasks(1, 10))
    assert [task.prompt_tokens for task in Stream("ue1", IMAGE, Recorded((1, 2))).tasks(1, 10)] == [0, 0]


def test_lengths_are_geometric_and_truncated_at_their_maxima() -> None:
    """P(X >= k) = (1 - 1/m)^(k-1); the maximum takes all that lies beyond it."""
    tokens = Tokens(prompt_mean=40, prompt_max=100, output_mean=6, output_max=10_000)
    tasks = first_tasks(Stream("ue1", CHAT, Poisson(1.0), tokens), 20_000)
    prompts = np.array([task.prompt_tokens for task in tasks])
    outputs = np.array([task.output_tokens for task in tasks])
    assert (prompts.min(), prompts.max(), outputs.min()) == (1, 100, 1)
    beyond = (1 - 1 / 40) ** 99
    assert (prompts == 100).mean() == pytest.approx(beyond, abs=4 * np.sqrt(beyond / 20_000))
    assert outputs.mean() == pytest.approx(6, abs=4 * np.sqrt(30 / 20_000))
    assert abs(np.corrcoef(prompts, outputs)[0, 1]) < 4 / np.sqrt(20_000)


@pytest.mark.parametrize("arrivals", [Poisson(30.0), Periodic(7_000_000), Recorded(tuple(range(0, 10**9, 10**7)))])
def test_a_longer_run_begins_with_the_tasks_of_a_shorter_one(arrivals: Arrivals) -> None:
    stream = Stream("ue1", CHAT, arrivals, Tokens(20, 50, 5, 10))
    short, long = list(stream.tasks(4, NS_PER_S // 2)), list(stream.tasks(4, NS_PER_S))
    assert long[: len(short)] == short and len(long) > len(short)
    assert all(task.arrival_ns < NS_PER_S // 2 for task in short)
    assert [task.number for task in long] == list(range(len(long)))


def test_streams_differ_by_source_kind_and_seed_and_by_nothing_else() -> None:
    def drawn(source: str, name: str, seed: int) -> list[tuple[int, int]]:
        stream = Stream(source, replace(CHAT, name=name), Poisson(5.0), Tokens(20, 99, 5, 99))
        return [(task.arrival_ns, task.prompt_tokens) for task in first_tasks(stream, 50, seed)]

    others = [drawn(*each) for each in (("ue2", "chat", 1), ("ue1", "mail", 1), ("ue1", "chat", 2))]
    assert drawn("ue1", "chat", 1) == drawn("ue1", "chat", 1)
    for one, other in pairwise([drawn("ue1", "chat", 1), *others]):
        assert not {time for time, _ in one} & {time for time, _ in other}


def test_lengths_do_not_change_arrivals() -> None:
    with_lengths = Stream("ue1", CHAT, Poisson(5.0), Tokens(20, 99, 5, 99))
    without = Stream("ue1", CHAT, Poisson(5.0))
    assert arrivals_ns(first_tasks(with_lengths, 3_000)) == arrivals_ns(first_tasks(without, 3_000))
