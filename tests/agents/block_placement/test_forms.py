"""Both forms against the equations in scalar code, and what is mended."""

from itertools import pairwise

import numpy as np
import pytest

from agents.block_placement.environment import FORMS, problem_of
from agents.block_placement.forms import Carried, MendedForm, PrintedForm, SlotBatch, fluid_queue, slots_at
from agents.block_placement.settings import BlockPlacementSettings
from tests.agents.block_placement.instances import random_carried, random_settings, random_slots


def by_the_book(
    form: str, settings: BlockPlacementSettings, slots: SlotBatch, row: int, path: list[int]
) -> list[float]:
    """Return the delays of the blocks of a slot where nothing queues, from eq. (1) to (3), block by block."""
    speeds = [settings.device_flops_per_s, *FORMS[form](settings).flops_per_s[1:]]
    delays = []
    for m, (before, place) in enumerate(pairwise([0, *path])):
        size, rates = slots.sizes_bytes[row, m], slots.rates[row, m]
        if before == place:
            way = 0.0
        elif before == 0:
            way = size / rates[place - 1]
        elif place == 0:
            way = size / rates[before - 1] if form == "mended" else 0.0
        else:
            way = size / settings.server_link_rate
        if form == "mended" and m == len(path) - 1 and place > 0:
            way += slots.sizes_bytes[row, -1] / rates[place - 1]
        delays.append(way + slots.work_flop[row, m] / speeds[place])
    return delays


@pytest.mark.parametrize("form", FORMS)
def test_delays_costs_and_energy_are_those_of_the_equations(form: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        settings = random_settings(rng)
        slots = random_slots(rng, settings, 4)._replace(tasks=np.zeros(4, np.int64))  # so that nothing queues
        before = Carried(np.zeros((4, settings.servers)), np.full(4, 1e9))
        placements = rng.integers(settings.servers + 1, size=(4, settings.blocks))
        outcome = FORMS[form](settings).outcome(slots, before, placements)
        for row, path in enumerate(placements.tolist()):
            delays = by_the_book(form, settings, slots, row, path)
            np.testing.assert_allclose(outcome.delays_s[row], delays, rtol=1e-12)
            late = [max(delay - settings.deadline_s, 0) for delay in delays]
            total = sum(delays) + settings.late_weight * sum(late)
            assert outcome.costs_s[row].sum() == pytest.approx(total, rel=1e-12)
            energy_j = 0.0
            for m, (last, place) in enumerate(pairwise([0, *path])):
                if place == 0:
                    energy_j += settings.chip_factor * settings.device_flops_per_s**2 * slots.work_flop[row, m]
                elif last == 0:
                    energy_j += settings.power_w * slots.sizes_bytes[row, m] / slots.rates[row, m, place - 1]
                elif last != place and form == "printed":
                    energy_j += settings.power_w * slots.sizes_bytes[row, m] / settings.server_link_rate
            assert 1e9 - outcome.after.energy_j[row] == pytest.approx(energy_j, abs=1e-6)


def test_printed_form_knows_neither_queues_nor_empty_batteries() -> None:
    rng = np.random.default_rng(2)
    settings = random_settings(rng)
    form, slots = PrintedForm(settings), random_slots(rng, settings, 8)
    placements = rng.integers(settings.servers + 1, size=(8, settings.blocks))
    one = form.outcome(slots, random_carried(rng, settings, 8), placements)
    other = form.outcome(slots, Carried(np.zeros((8, settings.servers)), np.zeros(8)), placements)
    np.testing.assert_array_equal(one.costs_s, other.costs_s)
    assert not one.failed.any()
    assert not one.after.backlog_s.any()
    assert not other.after.energy_j.any()


def test_consecutive_blocks_on_a_server_wait_once() -> None:
    settings = BlockPlacementSettings(blocks=4, servers=2)
    slots = random_slots(np.random.default_rng(3), settings, 1)
    free, queued = (Carried(np.full((1, 2), backlog), np.array([1e9])) for backlog in (0.0, 7.0))
    slots = slots._replace(tasks=np.array([0]))
    form, path = MendedForm(settings), np.array([[1, 1, 0, 1]])
    waits_s = form.outcome(slots, queued, path).delays_s - form.outcome(slots, free, path).delays_s
    np.testing.assert_allclose(waits_s, [[4.5, 0, 0, 4.5]])  # the queue drains from 7 to 2 in a slot of 5 s


def test_queues_conserve_work() -> None:
    """Work that arrived is served or left, and a server is idle only without work: against steps of 10^-5 of a slot."""
    rng = np.random.default_rng(4)
    for _ in range(100):
        backlog_s, arriving_s, slot_s = rng.exponential(3.0), rng.exponential(4.0), rng.uniform(0.5, 6)
        mean_s, end_s = fluid_queue(np.array([backlog_s]), np.array([arriving_s]), slot_s)
        times = np.linspace(0, 1, 100_001)
        queue_s = np.maximum(backlog_s + (arriving_s - slot_s) * times, 0)
        assert end_s[0] == pytest.approx(queue_s[-1], abs=1e-9)
        assert mean_s[0] == pytest.approx(np.trapezoid(queue_s, times), rel=1e-6, abs=1e-6)
        lindley_s = backlog_s
        for _ in range(1_000):
            lindley_s = max(lindley_s + (arriving_s - slot_s) / 1_000, 0)
        assert end_s[0] == pytest.approx(lindley_s, abs=slot_s / 500)


def test_without_energy_tasks_fail_and_leave_no_trace() -> None:
    settings = BlockPlacementSettings(energy_max_j=3.0)
    slots = random_slots(np.random.default_rng(5), settings, 1)
    before = Carried(np.array([[7.0, 1.0, 0.0, 5.0]]), np.array([1.0]))
    outcome = MendedForm(settings).outcome(slots, before, np.zeros((1, 6), dtype=np.int64))
    assert outcome.failed.tolist() == [True]
    assert outcome.costs_s.sum() == pytest.approx(settings.failure_s)
    assert outcome.after.energy_j.tolist() == [1.0]
    assert outcome.after.backlog_s.tolist() == [[2.0, 0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"blocks": 0}, "blocks=0: must be at least 1"),
        ({"rate_min": 3e6}, "rate_min=3000000.0: must be at most rate_max=2000000.0"),
        ({"slot_s": 0}, "slot_s=0: must be finite and above 0"),
        ({"power_w": float("nan")}, "power_w=nan: must be finite and above 0"),
        ({"networks": ()}, "networks: must name at least one network"),
    ],
)
def test_bad_settings(settings: dict[str, object], line: str) -> None:
    with pytest.raises(ValueError) as caught:
        BlockPlacementSettings(**settings)  # type: ignore[arg-type]
    assert str(caught.value) == line


def test_lateness_acts_on_large_blocks_only() -> None:
    """By default no block of AlexNet is late in any placement; of VGG16 some are."""
    longest_s = {}
    for network in ("alexnet", "vgg16"):
        problem = problem_of("printed", slots=1, networks=(network,))
        slots = slots_at(problem.draw([np.random.default_rng(seed) for seed in range(200)]), 0)
        longest_s[network] = problem.form.delay_table_s(slots).max()
    assert longest_s["alexnet"] < BlockPlacementSettings.deadline_s < longest_s["vgg16"]
