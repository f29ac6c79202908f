"""Frequency-selective sharing and narrow grants: what a slot carries, against enumeration and closed forms."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.cell import Cell
from emulator.cell.descriptions import cqi_table_of, group_weights
from emulator.channel.generate import generate
from emulator.channel.large_scale.track import static
from emulator.channel.radio import Radio
from emulator.core.units import NS_PER_MS
from emulator.system import CellSpec, LinkSpec, Scheduler
from emulator.trace import Trace
from tests.emulator.selective_traces import named_table, selective, weights
from tests.emulator.strategies import slots

Ints = npt.NDArray[np.int64]


def full_cell(scheduler: Scheduler, groups: int, traces: list[Trace], messages: int = 1) -> Cell:
    """A cell whose UEs always have something to send."""
    links = [
        LinkSpec(f"ue{number}", "gnb", trace, queue_bytes=2**60, cell="cell") for number, trace in enumerate(traces)
    ]
    cell = Cell.standalone(CellSpec(scheduler, groups), links, 1)
    for number in range(len(links)):
        assert all(cell.enqueue(0, number, 10**9) for _ in range(messages))
    return cell


def bits_of_slot(cell: Cell, slot: int, slot_ns: int = 10) -> list[int]:
    """What each UE sends in the next slot of a cell."""
    cell.advance(slot * slot_ns + 1)
    found: list[int] = cell.cells.tables.ues["share_bits"].tolist()
    return found


@given(data=st.data(), scheduler=st.sampled_from(("max-rate", "pf")))
def test_a_slot_is_shared_so_that_the_sum_of_merits_is_the_greatest(data: st.DataObject, scheduler: Scheduler) -> None:
    """Over all assignments of groups to UEs with full buffers: the sum of bits, or of bits over averages; up to a bit a
    UE that rounding takes. The averages are one bit in the first slot, and what was sent in it, over 200, in the
    second."""
    ues, groups = data.draw(st.integers(2, 3)), data.draw(st.integers(1, 4))
    capacities = np.array([[data.draw(st.integers(10**5, 10**7)) for _ in range(2)] for _ in range(ues)])
    cqis = [data.draw(st.integers(0, 15)) for _ in range(ues)]
    codes = np.array([[[data.draw(st.integers(0, 3)) for _ in range(groups)] for _ in range(2)] for _ in range(ues)])
    table = data.draw(st.integers(1, 3))
    traces = [selective(*each, table) for each in zip(capacities, cqis, codes, strict=True)]
    cell = full_cell(scheduler, groups, traces)
    averages = np.zeros(ues)
    for slot in range(2):
        of_group = np.array([weights(cqi, code[slot], table) for cqi, code in zip(cqis, codes, strict=True)])
        bits = capacities[:, slot, None] * of_group / of_group.sum(axis=1, keepdims=True)
        worth = bits / (np.maximum(averages, 1.0)[:, None] if scheduler == "pf" else 1.0)
        best = max(
            sum(worth[ue, group] for group, ue in enumerate(each)) for each in product(range(ues), repeat=groups)
        )
        sent = np.array(bits_of_slot(cell, slot))
        price = np.maximum(averages, 1.0) if scheduler == "pf" else np.ones(ues)
        assert best * (1 - 1e-12) - (1 / price).sum() <= (sent / price).sum() <= best * (1 + 1e-12)
        averages += (sent - averages) / 200


@pytest.mark.parametrize("scheduler", ["max-rate", "pf"])
@pytest.mark.parametrize("ues", [2, 6])
def test_the_gain_of_selection_is_that_of_the_greatest_of_independent_draws(ues: int, scheduler: Scheduler) -> None:
    """The differential CQIs of all groups are drawn alike, capacity is proportional to the sum of weights: a group
    carries E max of K draws of a law with four values w: sum of w (F(w)^K - F(w-)^K). With K UEs alike, proportional
    fair is greatest rate once its averages have settled. Within four standard errors of 4000 groups."""
    groups, count, window = 8, 500, 200
    rng = np.random.default_rng(ues)
    settle = 0 if scheduler == "max-rate" else 5 * window
    codes = rng.integers(0, 4, (ues, settle + count, groups))
    of_group = weights(7, codes)
    traces = [selective(own.sum(axis=1), 7, code) for own, code in zip(of_group, codes, strict=True)]
    cell = full_cell(scheduler, groups, traces)
    carried = np.array([sum(bits_of_slot(cell, slot)) for slot in range(settle + count)])[settle:] / groups
    values = np.sort(weights(7, np.arange(4)))
    until = np.arange(5) / 4
    expected = values @ (until[1:] ** ues - until[:-1] ** ues)
    error = values.std() / np.sqrt(groups * count)
    bias = 0.0 if scheduler == "max-rate" else expected / window  # averages hover: see the test of log utility
    print(f"{scheduler}, {ues} UEs: {carried.mean() / values.mean():.3f} of the mean, {expected / values.mean():.3f}")
    assert abs(carried.mean() - expected) < 4 * error + bias
    assert carried.mean() > 1.08 * values.mean()  # what round robin would carry


@pytest.mark.parametrize("scheduler", ["rr", "pf", "max-rate"])
def test_two_ues_that_need_half_the_groups_each_have_all_that_they_could_send(scheduler: Scheduler) -> None:
    """Their power would not carry more in a wider grant; a third UE gets nothing of full slots."""
    narrow = slots(1_001, 999, slot_ns=10, release="slot", grant_groups=np.array([3, 3], np.int8))
    cell = full_cell(scheduler, 6, [narrow, narrow])
    assert [bits_of_slot(cell, slot) for slot in range(2)] == [[1_001, 1_001], [999, 999]]
    wide = slots(60, slot_ns=10, release="slot")
    cell = full_cell(scheduler, 6, [narrow, wide])
    assert bits_of_slot(cell, 0) == [1_001, 30]  # three groups of six are left
    cell = full_cell(scheduler, 6, [narrow, narrow, wide])
    sent = bits_of_slot(cell, 0)
    assert sent == ([667, 667, 20] if scheduler == "rr" else [1_001, 1_001, 0])


def test_round_robin_does_not_look_at_the_channel() -> None:
    codes = np.array([[0, 1, 2, 3]])
    cell = full_cell("rr", 4, [selective(np.array([1_000]), 7, codes), selective(np.array([400]), 9, codes[:, ::-1])])
    assert bits_of_slot(cell, 0) == [500, 200]


def test_a_ue_gets_as_many_groups_as_its_message_needs() -> None:
    """A byte of the UE with the greatest rate needs one group, whichever; the others are the other UE's."""
    codes = np.array([[1, 0, 0, 3]])
    own = weights(7, codes[0])
    cell = full_cell("max-rate", 4, [selective(np.array([500]), 7, codes), selective(np.array([400]), 7, codes)], 0)
    assert cell.enqueue(0, 0, 1) and cell.enqueue(0, 1, 1_000)
    assert bits_of_slot(cell, 0) == [8, 400 * own[1:].sum() // own.sum()]


def test_weights_are_the_efficiencies_of_neighbouring_cqis() -> None:
    """TS 38.214 Table 5.2.2.1-3: CQI 5 to 8 carry 1.9141, 2.4063, 2.7305 and 3.3223 bits per resource element."""
    found = group_weights()[2 * 16 + 6] / 2048
    assert found == pytest.approx([2.4063, 2.7305, 3.3223, 1.9141], abs=5e-5)


def test_a_generated_trace_names_its_cqi_table() -> None:
    trace = generate(Radio(), static(100.0, 0.0), 20 * NS_PER_MS, 1, "ue", "downlink")
    assert cqi_table_of(trace) == Radio().adaptation.cqi_table


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"grant_groups": [4, 5]}, r"links.ue0-gnb.trace: row 1: grant_groups=5: must be 1 to 4 in this cell"),
        ({"grant_groups": [0, 4]}, r"row 0: grant_groups=0: must be 1 to 4"),
        ({"cqi": [1, 16], "subband_cqi": [0, 0]}, r"row 1: cqi=16: must be 0 to 15"),
        (
            {"capacity_bits": [30, 30], "cqi": [5, 5], "subband_cqi": [0, 0]},
            "must have a slot with a bit for each group",
        ),
        ({"capacity_bits": [2**48, 8], "cqi": [5, 5], "subband_cqi": [0, 0]}, r"must stay below 2\^63 / "),
    ],
)
def test_traces_that_do_not_fit_their_cell_are_refused(columns: dict[str, Any], rule: str) -> None:
    arrays = {name: np.array(values) for name, values in {"capacity_bits": [80, 80], **columns}.items()}
    link = LinkSpec("ue0", "gnb", Trace(10, arrays, "slot", metadata=named_table(2)), cell="cell")
    with pytest.raises(ValueError, match=rule):
        Cell.standalone(CellSpec("pf", 4), [link], 1)


def test_subband_cqis_without_the_name_of_their_table_are_refused() -> None:
    link = LinkSpec("ue0", "gnb", selective(np.array([400]), 5, np.zeros((1, 4), np.int64)), cell="cell")
    assert Cell.standalone(CellSpec("pf", 4), [link], 1).enqueue(0, 0, 1)
    with pytest.raises(ValueError, match=r"links.ue0-gnb.trace: metadata: must name the CQI table"):
        Cell.standalone(CellSpec("pf", 4), [replace(link, trace=replace(link.trace, metadata={}))], 1)
    with pytest.raises(ValueError, match=r"subband_cqi: holds 32 groups, and its cell has 33"):
        Cell.standalone(CellSpec("pf", 33), [link], 1)
