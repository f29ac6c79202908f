"""The sentences about a run in its report."""

from pathlib import Path

import pytest

from results.run.facts import ExecutionFacts, facts_of
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build import build
from topologies.loading.loader import load

OUTAGES = (
    "[{node: edge1, from_s: 0, to_s: 1}, {node: edge1, from_s: 1.5, to_s: 1.6}, "
    "{link: [ue1, gnb], from_s: 9, to_s: 10}]"
)


@pytest.mark.parametrize(
    ("on_failure", "then"),
    [("wait", "waits until it is over"), ("retry", "is placed again by its policy"), ("fail", "fails")],
)
def test_a_note_counts_the_outages_that_begin_in_the_run(on_failure: str, then: str, tmp_path: Path) -> None:
    path = tmp_path / "failing.yaml"
    path.write_text(f"{GOOD}failures: {{on_failure: {on_failure}, outages: {OUTAGES}}}\n")
    scenario = load(path)
    (note,) = facts_of(scenario, build(scenario, tmp_path), ExecutionFacts("sim")).notes
    assert note.startswith(f"2 outages of edge1, ue1 to gnb: a task that meets one {then}")


def test_without_failures_there_is_no_note(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    scenario = load(path)
    assert facts_of(scenario, build(scenario, tmp_path), ExecutionFacts("sim")).notes == ()
