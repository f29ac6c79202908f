"""The ledger: for any sequence of events, no task is lost or counted twice."""

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from hil.testbed.ledger import (
    WORKER_LOST,
    Answered,
    Begun,
    Broken,
    Closed,
    Ledger,
    LedgerEvent,
    Offline,
    Online,
    Reported,
    apply,
    choose_workers,
)

BOTH = (Online("a", 1), Online("b", 1))


def after(*events: LedgerEvent) -> Ledger:
    return reduce(apply, events, Ledger())


def test_attempt_is_done_when_all_stages_have_reported_and_the_result_has_arrived() -> None:
    events: list[LedgerEvent] = [*BOTH, Begun(1, 1, ("a", "b"))]
    for event in (Reported(1, 1, 0), Answered(1, 1), Reported(1, 1, 1)):
        assert after(*events).open[1].condition == "running"
        events.append(event)
    assert after(*events).open[1].condition == "done"
    assert after(*events, Closed(1)) == Ledger({"a": 1, "b": 1}, {}, done=1)


def test_old_and_repeated_events_are_ignored() -> None:
    base = (*BOTH, Begun(1, 1, ("a",)), Broken(1, 1, "error"), Begun(1, 2, ("b",)))
    for stale in (
        Reported(1, 1, 0),
        Answered(1, 1),
        Broken(1, 1, "late"),
        Reported(9, 1, 0),
        Reported(1, 2, 1),
    ):
        assert after(*base, stale).open == after(*base).open
        assert after(*base, stale).ignored == 1
    once = after(*base, Reported(1, 2, 0))
    assert apply(once, Reported(1, 2, 0)).open == once.open


def test_lost_worker_breaks_attempts_that_still_need_it() -> None:
    begun = (*BOTH, Begun(1, 1, ("a", "b")))
    assert after(*begun, Offline("a")).open[1].broken == WORKER_LOST
    assert after(*begun, Reported(1, 1, 0), Offline("a")).open[1].condition == "running"
    assert after(*begun, Reported(1, 1, 0), Offline("b")).open[1].broken == WORKER_LOST
    assert after(*begun, Online("b", 2)).open[1].broken == WORKER_LOST  # restarted: it has lost its state
    assert after(*begun, Online("b", 1)).open[1].condition == "running"  # a repeated status
    assert after(Online("a", 1), Begun(1, 1, ("a", "b"))).open[1].broken == WORKER_LOST


def test_lost_result_of_a_task_that_all_stages_have_reported_breaks_it_with_its_last_worker() -> None:
    reported = (*BOTH, Begun(1, 1, ("a", "b")), Reported(1, 1, 0), Reported(1, 1, 1))
    assert after(*reported).open[1].awaited == ("b",)
    assert after(*reported, Offline("a")).open[1].condition == "running"
    assert after(*reported, Offline("b")).open[1].broken == WORKER_LOST
    assert after(*reported, Answered(1, 1), Offline("b")).open[1].condition == "done"


def test_task_that_no_worker_is_left_for_is_given_up() -> None:
    begun = after(Begun(1, 1, ()))
    assert begun.open[1].broken == WORKER_LOST
    assert apply(begun, Closed(1)) == Ledger(given_up=1)


workers = st.sampled_from("abc")
tasks = st.integers(1, 4)
attempts = st.integers(1, 3)
stages = st.integers(0, 2)
events = st.one_of(
    st.builds(Online, workers, st.integers(1, 2)),
    st.builds(Offline, workers),
    st.builds(Begun, tasks, attempts, st.lists(workers, max_size=3).map(tuple)),
    st.builds(Reported, tasks, attempts, stages),
    st.builds(Answered, tasks, attempts),
    st.builds(Broken, tasks, attempts, st.just("error")),
    st.builds(Closed, tasks),
)


@given(st.lists(events, max_size=60))
def test_every_task_begun_is_open_done_or_given_up_exactly_once(history: list[LedgerEvent]) -> None:
    ledger = Ledger()
    begun = 0
    for event in history:
        if isinstance(event, Begun) and event.task not in ledger.open:
            begun += 1
        before, ledger = ledger, apply(ledger, event)
        assert begun == len(ledger.open) + ledger.done + ledger.given_up
        if isinstance(event, Closed) and event.task in before.open:
            attempt = before.open[event.task]
            assert (ledger.done - before.done) == (
                attempt.answered and attempt.reported == set(range(len(attempt.workers)))
            )
        for task, attempt in ledger.open.items():
            was = before.open.get(task)
            if was is not None and was.number == attempt.number and was.condition != "running":
                assert isinstance(event, Begun | Offline | Online) or attempt == was
            if attempt.condition == "running":
                assert attempt.awaited
                for worker in attempt.awaited:
                    assert worker in ledger.live
                    assert apply(ledger, Offline(worker)).open[task].broken == WORKER_LOST


def test_nodes_stay_home_or_move_to_the_emptiest_fit_worker() -> None:
    homes = {"ue1": "a", "ue2": "a", "edge1": "b", "cloud": "c"}
    assert choose_workers(["ue1", "edge1"], homes, "abc", ()) == {"ue1": "a", "edge1": "b"}
    assert choose_workers(["ue1", "ue2"], homes, "bc", ()) == {"ue1": "b", "ue2": "c"}
    assert choose_workers(["edge1"], homes, "ac", ()) == {"edge1": "c"}
    assert choose_workers(["edge1"], homes, "ac", ["c"]) == {"edge1": "a"}
    assert choose_workers(["ue1"], homes, "a", ["a"]) is None
    assert choose_workers(["ue1"], homes, "", ()) is None
