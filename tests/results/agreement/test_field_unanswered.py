"""Tasks that an emulation did not answer are counted, beyond those that the simulation loses as well."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.record import Records
from results.agreement.unanswered import Unanswered, count_unanswered, unanswered_sentence
from tests.results.agreement.test_checks import FACTS
from tests.results.conftest import task_row


def counted(simulated: list[str], emulated: list[str], erased: float = 0.0) -> Unanswered:
    """Count tasks with these outcomes; simulated ones that are done have lost the fraction `erased` on links."""
    with TemporaryDirectory() as folder:
        with Records(Path(folder)) as records:
            for label, outcomes in (("a", simulated), ("a@emulated", emulated)):
                for number, outcome in enumerate(outcomes):
                    fraction = erased if label == "a" and outcome == "done" else 0.0
                    row = task_row(label, "ue1", "image", number, delay_ms=1, outcome=outcome, erased=fraction)
                    records.tasks.append(row)
        return count_unanswered(Path(folder) / "tasks.parquet", "a", "a@emulated")


def test_field_61_of_101_tasks_not_answered() -> None:
    found = counted(["done"] * 101, ["failed"] * 61 + ["done"] * 40)
    assert found == Unanswered(101, {"link queue full": 61}, 0)
    assert found.excess == pytest.approx(61 / 101)
    facts = FACTS.model_copy(update={"tasks": 101, "unanswered": {"not answered": 57, "station error": 4}})
    said = unanswered_sentence(facts)
    assert said.startswith("61 of 101 emulated tasks were not answered (not answered: 57, station error: 4): ")
    assert "hosts/*.log" in said and "\n" not in said


def test_field_tasks_that_the_simulation_loses_too_do_not_count() -> None:
    assert counted(["failed"] * 7 + ["done"] * 3, ["done"] * 3 + ["failed"] * 7).excess == 0
    assert counted(["done"] * 5, ["failed"] * 5, erased=1.0).excess == 0  # all datagrams of a message lost
    assert counted(["done"] * 5, ["failed"] * 5, erased=0.999).excess == 1


def test_field_run_without_tasks_has_none_unanswered() -> None:
    assert counted([], []) == Unanswered(0, {}, 0)
    assert counted([], []).excess == 0 and unanswered_sentence(FACTS) == ""


OUTCOMES = st.lists(st.tuples(*[st.sampled_from(["done", "missed", "failed"])] * 2), max_size=30)


@settings(max_examples=30)
@given(OUTCOMES)
def test_field_excess_is_the_difference_of_both_counts(pairs: list[tuple[str, str]]) -> None:
    simulated, emulated = [one for one, _ in pairs], [other for _, other in pairs]
    found = counted(simulated, emulated)
    difference = emulated.count("failed") - simulated.count("failed")
    assert found.excess * max(len(pairs), 1) == pytest.approx(max(0, difference))
