import subprocess
import sys
from itertools import pairwise, product
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.registry import make_policy
from emulator.policy import EngineName
from emulator.profile import Layer, ModelProfile
from emulator.record import Records, records_sha256
from emulator.simulation import Simulation
from emulator.system import DeviceSpec, Node, Role, System
from emulator.task import Partition, Placement, TaskKind, check_placement
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build import build, training_system
from topologies.build.candidates import candidates, split
from topologies.loading.loader import load

FOLDER = Path(__file__).parents[2] / "topologies"
ENGINES: tuple[EngineName, ...] = ("compiled", "simpy")
ROLES: tuple[Role, ...] = ("ue", "gnb", "edge", "cloud")


def model_of(weights: list[int]) -> ModelProfile:
    layers = tuple(Layer(f"l{index}", 1, weight, 1) for index, weight in enumerate(weights))
    return ModelProfile("m", "vision", "fp32", (1,), layers)


def kind_with(model: ModelProfile) -> TaskKind:
    return TaskKind("kind", model, 1, 1, ("int8", "int4"), 1)


def node_of(name: str, role: Role, memory: int | None) -> Node:
    return Node(name, role, None if memory is None else DeviceSpec(1e9, memory, 1e9, 1e9))


def every_fitting_assignment(
    source: str, model: ModelProfile, nodes: dict[str, Node], cuts: set[int], most: int
) -> set[Placement]:
    """Return all valid placements by brute force: assign each layer separately, then filter."""
    found = set()
    hosts = [node for node in nodes.values() if node.device and (node.role != "ue" or node.name == source)]
    for chosen in product(hosts, repeat=len(model.layers)):
        runs = [0] + [layer for layer in range(1, len(chosen)) if chosen[layer] != chosen[layer - 1]] + [len(chosen)]
        placement = tuple(Partition(chosen[a].name, a, b) for a, b in pairwise(runs))
        names = [partition.node for partition in placement]
        ranks = [ROLES.index(nodes[name].role) for name in names]
        fits = all(
            device is not None and model.weight_bytes(partition.first, partition.stop) <= device.memory_bytes
            for partition in placement
            for device in [nodes[partition.node].device]
        )
        if fits and len(names) == len(set(names)) <= most and ranks == sorted(ranks) and set(runs[1:-1]) <= cuts:
            found.add(placement)
    return found


@given(
    weights=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    memories=st.lists(st.none() | st.integers(0, 15), min_size=4, max_size=4),
    cuts=st.sets(st.integers(1, 4)),
    most=st.integers(1, 4),
)
def test_candidates_equal_brute_force_enumeration(
    weights: list[int], memories: list[int | None], cuts: set[int], most: int
) -> None:
    model = model_of(weights)
    cuts = {cut for cut in cuts if cut < len(weights)}
    names: list[tuple[str, Role]] = [("cloud", "cloud"), ("ue1", "ue"), ("edge1", "edge"), ("edge2", "edge")]
    nodes = {name: node_of(name, role, memory) for (name, role), memory in zip(names, memories, strict=True)}
    nodes["ue2"] = node_of("ue2", "ue", 99)
    found = candidates("ue1", model, nodes, sorted(cuts), most)
    assert len(set(found)) == len(found)
    assert set(found) == every_fitting_assignment("ue1", model, nodes, cuts, most)
    for placement in found:
        check_placement(placement, kind_with(model))


def test_candidates_have_a_stable_order_beginning_with_the_source() -> None:
    nodes = {"edge1": node_of("edge1", "edge", 9), "ue1": node_of("ue1", "ue", 9)}
    found = candidates("ue1", model_of([1, 1, 1]), nodes, [1, 2], 2)
    assert found == (
        (Partition("ue1", 0, 3),),
        (Partition("edge1", 0, 3),),
        (Partition("ue1", 0, 1), Partition("edge1", 1, 3)),
        (Partition("ue1", 0, 2), Partition("edge1", 2, 3)),
    )


def test_every_placement_with_a_cut_is_a_candidate_in_each_codec() -> None:
    nodes = {
        "ue1": node_of("ue1", "ue", 9),
        "edge1": node_of("edge1", "edge", 9),
        "cloud": node_of("cloud", "cloud", 9),
    }
    plain = candidates("ue1", model_of([1] * 4), nodes, [1, 2, 3], 3)
    found = candidates("ue1", model_of([1] * 4), nodes, [1, 2, 3], 3, ("", "int4", "topk10"))
    expected = [
        tuple(part._replace(codec=codec if part.first else "") for part in placement)
        for placement in plain
        for codec in (("", "int4", "topk10") if len(placement) > 1 else ("",))
    ]
    assert list(found) == expected
    assert {len(placement) for placement in found} == {1, 2, 3}


@pytest.mark.parametrize("cut", [0, 2, 4])
def test_split_has_no_empty_partition(cut: int) -> None:
    check_placement(split("ue1", "edge1", cut, 4, "int4"), kind_with(model_of([1] * 4)))
    assert len(split("ue1", "edge1", cut, 4)) == (2 if cut == 2 else 1)


def channels_and_arrivals(system: System, ue: str) -> tuple[object, ...]:
    traces = [link.trace.sha256 for link in system.links if ue in (link.source, link.target)]
    tasks = [
        [(task.arrival_ns, task.prompt_tokens) for task in stream.tasks(system.seed, system.duration_ns)]
        for stream in system.streams
        if stream.source == ue
    ]
    return traces, tasks


def test_adding_a_ue_changes_no_others_channel_or_arrivals(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    two = build(load(path), tmp_path)
    three = build(load(path, ["nodes[0].count=3"]), tmp_path)
    for ue in ("ue1", "ue2"):
        assert channels_and_arrivals(two, ue) == channels_and_arrivals(three, ue)
    assert channels_and_arrivals(three, "ue3")[0] != channels_and_arrivals(three, "ue1")[0]


def test_another_seed_gives_other_channels_and_arrivals() -> None:
    scenarios = (load(FOLDER / "quickstart.yaml", ["duration_s=10"], seed) for seed in (5, 6))
    first, second = (channels_and_arrivals(build(scenario, FOLDER), "ue1") for scenario in scenarios)
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_training_systems_share_no_data_with_the_run_or_each_other() -> None:
    scenario = load(FOLDER / "quickstart.yaml", ["duration_s=10", "training.duration_s=10"])
    systems = [build(scenario, FOLDER)] + [training_system(scenario, FOLDER, index) for index in range(3)]
    for position, one in enumerate(systems):
        for other in systems[position + 1 :]:
            assert one.seed != other.seed
            assert not any(a.trace.shares_lineage(b.trace) for a in one.links for b in other.links)
            assert one.placements == other.placements
            assert channels_and_arrivals(one, "ue1") != channels_and_arrivals(other, "ue1")


def test_training_uses_the_training_interval_of_a_recording(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("".join(f"{second} {1 + second}\n" for second in range(10)))
    path = tmp_path / "replay.yaml"
    trace = "{trace: {file: x.log, format: rate, interval_s: [0, 4], training_interval_s: [4, 8]}}"
    path.write_text(GOOD.replace("uplink: {}", f"uplink: {trace}"))
    scenario = load(path)
    assert training_system(scenario, tmp_path, 0).links[0].trace.mean_rate_bps == (5 + 6 + 7 + 8) / 4 * 1e6
    assert build(scenario, tmp_path).links[0].trace.mean_rate_bps == (1 + 2 + 3 + 4) / 4 * 1e6


def test_many_ues_has_a_hundred_ues() -> None:
    system = build(load(FOLDER / "many-ues.yaml", ["duration_s=1"]), FOLDER)
    roles = [node.role for node in system.nodes.values()]
    assert (roles.count("ue"), roles.count("edge")) == (100, 10)
    assert len(system.streams) == 100
    assert all(system.placements.values())


def test_campus_replay_requires_a_recording() -> None:
    with pytest.raises(ValueError, match=r"^campus-replay.yaml:\d+: links\[0\].uplink.trace.file: must be given"):
        load(FOLDER / "campus-replay.yaml")


@pytest.mark.parametrize(
    ("recording", "overrides"),
    [
        ("lumos5g/5G/5g_trace_10_walking", ()),
        ("mahimahi/Verizon-LTE-short.up", ("format=mahimahi", "scale=1")),
    ],
)
def test_campus_replay_runs_on_recordings(recordings: Path, recording: str, overrides: tuple[str, ...]) -> None:
    given_keys = (f"file={recordings / recording}", *overrides)
    scenario = load(FOLDER / "campus-replay.yaml", [f"links[0].uplink.trace.{key}" for key in given_keys])
    uplink = build(scenario, FOLDER).links[0].trace
    assert uplink.metadata["kind"] == "recording"
    assert uplink.period_ns > 10_000_000_000


@pytest.mark.parametrize("name", ["quickstart", "many-ues", "campus-replay"])
def test_both_engines_record_the_same_of_a_shipped_scenario(name: str, tmp_path: Path) -> None:
    overrides = ["duration_s=1" if name == "many-ues" else "duration_s=3"]
    if name == "campus-replay":
        (tmp_path / "walk").write_text("".join(f"{second} {rate}\n" for second, rate in enumerate((90, 25, 0, 140))))
        overrides.append(f"links[0].uplink.trace.file={tmp_path / 'walk'}")
    system = build(load(FOLDER / f"{name}.yaml", overrides), FOLDER)
    for policy in ("random", "all-edge", "greedy", "exact"):
        outcomes = []
        for engine in ENGINES:
            with Records(tmp_path) as records:
                totals = Simulation(system, engine=engine).run(make_policy(policy, {}, system), policy, records)
            outcomes.append((totals, records_sha256([tmp_path / "tasks.parquet", tmp_path / "stages.parquet"])))
        assert totals.tasks > 5
        assert outcomes[0] == outcomes[1]


def test_exact_choices_of_a_hundred_ues_do_not_herd(tmp_path: Path) -> None:
    system = build(load(FOLDER / "many-ues.yaml", ["duration_s=3"]), FOLDER)
    mean_s = {}
    for policy in ("random", "all-edge", "exact", "single-cut", "viterbi"):
        with Records(tmp_path) as records:
            Simulation(system).run(make_policy(policy, {}, system), policy, records)
        tasks = pd.read_parquet(tmp_path / "tasks.parquet")
        assert (tasks["outcome"] != "failed").all()
        mean_s[policy] = tasks["sojourn_ns"].mean() * 1e-9
    assert mean_s["exact"] < min(mean_s["random"], mean_s["all-edge"])
    assert max(mean_s["single-cut"], mean_s["viterbi"]) < mean_s["random"]


def test_loading_scenarios_does_not_import_torch() -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from topologies.build import build; from topologies.loading.loader import load\n"
        f"build(load(Path({str(FOLDER / 'quickstart.yaml')!r}), ['duration_s=1']), Path('.'))\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=FOLDER.parent)
