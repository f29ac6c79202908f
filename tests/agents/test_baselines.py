"""Policies without learning."""

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from scipy import stats

from agents.baselines import Replay, load_decisions, save_decisions
from agents.registry import make_policy
from emulator.policy import Observation, Policy
from emulator.record import Records, records_sha256
from emulator.simulation import Simulation
from emulator.system import System
from emulator.task import Partition, Placement, Task, describe, parse
from tests.agents.observations import FixedObservation
from tests.agents.systems import CHAT, IMAGE, candidates_of, small_system

SYSTEM = small_system()
PLACES = SYSTEM.placements["ue1", "image"]


class FirstCandidate:
    """A user's own policy."""

    def __init__(self, number: int = 0) -> None:
        self.number = number

    def decide(self, observation: Observation) -> Placement:
        return observation.candidates[self.number]


def observed(number: int = 0, places: tuple[Placement, ...] = PLACES, **backlogs_ns: int) -> FixedObservation:
    return FixedObservation(Task("ue1", IMAGE, number, 0), places, backlogs_ns=backlogs_ns)


def run(system: System, policy: Policy, folder: Path) -> Path:
    folder.mkdir()
    with Records(folder) as records:
        Simulation(system).run(policy, "policy", records)
    return folder


def test_random_chooses_every_candidate_equally_often() -> None:
    policy = make_policy("random", {}, SYSTEM)
    counts = Counter(policy.decide(observed(number)) for number in range(20_000))
    assert stats.chisquare([counts[place] for place in PLACES]).pvalue > 0.01


def test_random_depends_on_the_task_alone() -> None:
    forward = make_policy("random", {}, SYSTEM)
    backward = make_policy("random", {}, SYSTEM)
    first = [forward.decide(observed(number)) for number in range(50)]
    assert [backward.decide(observed(number)) for number in reversed(range(50))] == first[::-1]
    assert [make_policy("random", {}, small_system(seed=2)).decide(observed(number)) for number in range(50)] != first


def test_all_device_keeps_what_memory_allows() -> None:
    policy = make_policy("all-device", {}, SYSTEM)
    assert policy.decide(observed()) == (Partition("ue1", 0, 4),)
    assert policy.decide(observed(places=PLACES[1:])) == (Partition("ue1", 0, 3), Partition("edge1", 3, 4))


def test_all_edge_takes_the_first_edge_server_that_holds_the_model() -> None:
    assert make_policy("all-edge", {}, SYSTEM).decide(observed()) == (Partition("edge1", 0, 4),)
    without_edge1 = replace(SYSTEM, placements={("ue1", "image"): candidates_of("ue1", IMAGE, ("edge2", "cloud"))})
    assert make_policy("all-edge", {}, without_edge1).decide(observed()) == (Partition("edge2", 0, 4),)
    with pytest.raises(ValueError, match="all-edge: convnet must fit an edge server"):
        make_policy("all-edge", {}, replace(SYSTEM, placements={("ue1", "image"): PLACES[:1]}))


@pytest.mark.parametrize(
    ("cut", "node", "expected"),
    [(2, "edge2", "ue1:0-2|edge2:2-4"), (0, "cloud", "cloud:0-4"), (4, "edge1", "ue1:0-4")],
)
def test_fixed_split(cut: int, node: str, expected: str) -> None:
    policy = make_policy("fixed", {"splits": {"image": {"cut": cut, "node": node}}}, SYSTEM)
    assert describe(policy.decide(observed())) == expected


def test_fixed_split_names_a_missing_kind() -> None:
    policy = make_policy("fixed", {"splits": {"image": {"cut": 1, "node": "edge1"}}}, SYSTEM)
    with pytest.raises(ValueError, match="splits: must name chat"):
        policy.decide(FixedObservation(Task("ue1", CHAT, 0, 0, 5, 5), PLACES))


def test_greedy_follows_the_least_backlog() -> None:
    policy = make_policy("greedy", {}, SYSTEM)
    assert describe(policy.decide(observed(edge1=9, edge2=3, cloud=5))) == "edge2:0-4"
    assert describe(policy.decide(observed(edge1=9, edge2=5, cloud=5))) == "edge2:0-4"
    assert describe(policy.decide(observed(edge1=9, edge2=9, cloud=5, ue1=0))) == "cloud:0-4"
    assert policy.decide(observed(places=PLACES[:1])) == PLACES[0]


def test_replay_repeats_a_run_to_the_last_column(tmp_path: Path) -> None:
    first = run(SYSTEM, make_policy("random", {}, SYSTEM), tmp_path / "first")
    rows = pq.read_table(first / "tasks.parquet", columns=["source", "kind", "task", "placement"]).to_pylist()
    assert len({row["placement"] for row in rows}) > 5
    save_decisions(tmp_path / "decisions.jsonl", (tuple(row.values()) for row in rows))
    replay = make_policy("replay", {"file": str(tmp_path / "decisions.jsonl")}, SYSTEM)
    second = run(SYSTEM, replay, tmp_path / "second")
    digests = [records_sha256(sorted(folder.glob("*.parquet"))) for folder in (first, second)]
    assert digests[0] == digests[1]


def test_replay_names_a_task_without_decision() -> None:
    policy = Replay({("ue1", "image", 0): parse("ue1:0-4")}, Path("decisions.jsonl"))
    assert policy.decide(observed(0)) == PLACES[0]
    with pytest.raises(ValueError, match=r"^decisions\.jsonl: must hold a decision for task ue1 image 1$"):
        policy.decide(observed(1))


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "3",
        '{"source": "ue1", "kind": "image", "task": 0}',
        '{"source": "u", "kind": "i", "task": "x"}',
        "[" * 200_000,
    ],
)
def test_bad_decision_is_named_by_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "decisions.jsonl"
    good = '{"source": "ue1", "kind": "image", "task": 0, "placement": "ue1:0-4"}'
    path.write_text(f"{good}\n{line}\n")
    with pytest.raises(ValueError, match=r"decisions\.jsonl: line 2: must be a JSON object") as caught:
        load_decisions(path)
    assert "\n" not in str(caught.value)


def test_a_binary_file_of_decisions_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(b"{}\n\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"decisions\.jsonl: must be text in UTF-8") as caught:
        make_policy("replay", {"file": str(path)}, SYSTEM)
    assert "\n" not in str(caught.value)
    assert type(caught.value) is ValueError


class Returning:
    """A user's policy with a given decision."""

    def __init__(self, decided: object) -> None:
        self.decided = decided

    def decide(self, observation: Observation) -> object:
        if isinstance(self.decided, Exception):
            raise self.decided
        return self.decided


@pytest.mark.parametrize(
    ("decided", "rule"),
    [
        (None, r"a tuple of Partition\(node, first, stop, codec\), such as a candidate, not None"),
        ("ue1:0-4", r"a tuple of Partition.* not 'ue1:0-4'"),
        (3, "a tuple of Partition.* not 3"),
        ([Partition("ue1", 0, 4)], "a tuple of Partition"),
        ((("ue1", 0, 4),), "a tuple of Partition"),
        ((Partition("ue1", 0, 4.0),), "a tuple of Partition"),  # type: ignore[arg-type]  # the tested error
        ((Partition(["ue1"], 0, 4),), "a tuple of Partition"),  # type: ignore[arg-type]  # the tested error
        ((), r"a whole placement \(.*must end at layer 4 of convnet"),
        ((Partition("ue1", 0, 3),), r"a whole placement \(.*must end at layer 4 of convnet"),
        ((Partition("ue1", 1, 4),), r"a whole placement \(.*must start at layer 0"),
        ((Partition("gnb", 0, 4),), "nodes that can compute, not gnb"),
        ((Partition("nowhere", 0, 4),), "nodes that can compute, not nowhere"),
    ],
)
def test_decisions_of_a_users_policy_are_checked(decided: object, rule: str, tmp_path: Path) -> None:
    policy = make_policy("tests.agents.test_baselines:Returning", {"decided": decided}, SYSTEM)
    start = "^type=tests.agents.test_baselines:Returning: decide must return "
    with pytest.raises(ValueError, match=start + rule) as caught:
        run(SYSTEM, policy, tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_exception_of_a_users_policy_is_one_line() -> None:
    error = NameError("no\nsuch name")
    policy = make_policy("tests.agents.test_baselines:Returning", {"decided": error}, SYSTEM)
    message = r"^type=tests.*:Returning: decide raised NameError: no such name, raised at .*test_baselines\.py:\d+$"
    with pytest.raises(ValueError, match=message) as caught:
        policy.decide(observed())
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("def", "SyntaxError"),
        ("nothing_of_this_name", "NameError"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("1 / 0", "ZeroDivisionError"),
        ("class Own:\n    def __init__(self):\n        raise RuntimeError('made')", "RuntimeError: made"),
    ],
)
def test_failing_import_of_a_users_module_is_one_line(
    source: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "failing_policy.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "failing_policy", raising=False)
    with pytest.raises(ValueError, match=f"^type=failing_policy:Own: must be a class .*{name}") as caught:
        make_policy("failing_policy:Own", {}, SYSTEM)
    assert "\n" not in str(caught.value)


def test_a_users_own_class_decides() -> None:
    policy = make_policy("tests.agents.test_baselines:FirstCandidate", {"number": 3}, SYSTEM)
    assert policy.decide(observed()) == PLACES[3]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("magic", {}),
        ("no.such.module:Policy", {}),
        ("tests.agents.test_baselines:Nothing", {}),
        ("tests.agents.test_baselines:FirstCandidate", {"unknown": 1}),
        ("pathlib:Path", {}),
        ("ppo", {}),
    ],
)
def test_invalid_policy_is_one_line(kind: str, options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"type={kind}: must ") as caught:
        make_policy(kind, options, SYSTEM)
    assert "\n" not in str(caught.value)
