import json
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from agents.registry import make_policy
from emulator.simulation.network import Network
from emulator.simulation.observation import DelayedObservation
from emulator.system import Ramp
from emulator.task import describe
from emulator.trace import constant
from emulator.workload import Poisson, Recorded
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build import build
from topologies.build.conversion import device_spec
from topologies.build.run_inputs import checkpoint_file, input_files, load_traces, resolved_yaml, save_traces
from topologies.loading.loader import json_schema, load, prefix_errors
from topologies.profiles import load_profile, save_profile
from topologies.schema.nodes import DeviceSection
from topologies.schema.policies import LearnedSection, ReplaySection
from topologies.schema.scenario import Scenario

RATES = "".join(f"{second} {1 + second % 7}\n" for second in range(30))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


def test_overrides_set_values_lists_and_missing_keys(good: Path) -> None:
    overrides = ["links[1].delay_ms=5", "tasks[0].cuts=[2, 4]", "links[1].ramp.idle_ms=1", "links[1].ramp.delay_ms=2"]
    scenario = load(good, overrides)
    assert scenario.links[1].delay_ms == 5
    assert scenario.tasks[0].cuts == (2, 4)
    assert scenario.links[1].ramp is not None
    assert scenario.links[1].ramp.delay_ms == 2
    assert scenario.links[0] == load(good).links[0]


def test_last_override_and_seed_option_take_precedence(good: Path) -> None:
    assert load(good, ["seed=7", "seed=8"]).seed == 8
    assert load(good, ["seed=7"], seed=9).seed == 9


def test_keys_with_dashes_can_be_overridden(good: Path) -> None:
    assert load(good, ["models.llama-15m=llama-110m"]).models == {"llama-15m": "llama-110m"}


@pytest.mark.parametrize("text", ["8e3", "8000", "8_000", "8000.0", "8.0e+3"])
def test_numbers_of_yaml_1_2_are_read(good: Path, text: str) -> None:
    assert load(good, [f"devices.server.memory_mb={text}"]).devices["server"].memory_mb == 8_000


def test_paths_in_the_file_are_relative_to_it_and_in_overrides_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenarios, elsewhere = tmp_path / "scenarios", tmp_path / "elsewhere"
    for folder, rate in ((scenarios, 3), (elsewhere, 5)):
        folder.mkdir()
        (folder / "x.log").write_text(f"0 {rate}\n1 {rate}\n")
    path = scenarios / "replay.yaml"
    path.write_text(GOOD.replace("uplink: {}", "uplink: {trace: {file: x.log, format: rate}}"))
    monkeypatch.chdir(elsewhere)
    in_file = build(load(path), path.parent)
    overridden = build(load(path, ["links[0].uplink.trace.file=x.log"]), path.parent)
    assert in_file.links[0].trace.mean_rate_bps == 3e6
    assert overridden.links[0].trace.mean_rate_bps == 5e6


def test_templates_expand_to_numbered_nodes_links_and_sources(good: Path) -> None:
    system = build(load(good), good.parent)
    assert list(system.nodes) == ["ue1", "ue2", "gnb", "edge1"]
    ends = [(link.source, link.target) for link in system.links]
    assert ends == [
        ("ue1", "gnb"),
        ("gnb", "ue1"),
        ("ue2", "gnb"),
        ("gnb", "ue2"),
        ("gnb", "edge1"),
        ("edge1", "gnb"),
    ]
    streams = [(stream.source, stream.kind.name) for stream in system.streams]
    assert streams == [("ue1", "image"), ("ue2", "image"), ("ue1", "text")]


def test_a_link_of_two_templates_joins_copies_of_the_same_number(good: Path) -> None:
    text = good.read_text().replace("{name: gnb, role: gnb}", '{name: "gnb{i}", role: gnb, count: 2}')
    text = text.replace('["ue{i}", gnb]', '["ue{i}", "gnb{i}"]').replace("[gnb, edge1]", '["gnb{i}", edge1]')
    text = text.replace("  gnb: {bandwidth_mhz: 20}", '  "gnb{i}": {bandwidth_mhz: 20}')
    good.write_text(text.replace("node: gnb,", "node: gnb1,"))
    system = build(load(good), good.parent)
    assert {(link.source, link.target) for link in system.links if link.source.startswith("ue")} == {
        ("ue1", "gnb1"),
        ("ue2", "gnb2"),
    }


def test_units_of_links(good: Path) -> None:
    overrides = [
        "links[1].delay_ms=0.25",
        "links[1].queue_kb=2.5",
        "links[1].loss=0.125",
        "links[1].retransmission_ms=8",
        "links[1].ramp={idle_ms: 20, delay_ms: 1.5}",
    ]
    link = build(load(good, overrides), good.parent).links[4]
    assert (link.delay_ns, link.queue_bytes, link.loss, link.retransmission_ns) == (250_000, 2_500, 0.125, 8_000_000)
    assert link.ramp == Ramp(idle_ns=20_000_000, delay_ns=1_500_000)
    assert link.trace.mean_rate_bps == 1e9


def test_a_list_of_codecs_makes_each_cut_a_candidate_in_each(good: Path) -> None:
    one = build(load(good), good.parent).placements["ue1", "image"]
    overrides = ["tasks[0].activation=[fp16, int4, topk10]"]
    scenario = load(good, overrides)
    system = build(scenario, good.parent)
    assert system.kinds["image"].codecs == ("fp16", "int4", "topk10")
    found = system.placements["ue1", "image"]
    assert [place for place in found if not any(part.codec for part in place)] == list(one)
    assert len(found) == len(one) + 2 * sum(len(place) > 1 for place in one)
    for codec in ("int4", "topk10"):
        assert sum(place[-1].codec == codec for place in found) == sum(len(place) > 1 for place in one)
    stored = good.parent / "resolved.yaml"
    stored.write_text(resolved_yaml(scenario, good.parent))
    assert load(stored) == scenario


def test_a_fixed_split_in_a_codec(good: Path) -> None:
    overrides = ["tasks[0].activation=[int8, int4]", "policies[1].splits.image={cut: 2, node: edge1, codec: int4}"]
    scenario = load(good, overrides)
    system = build(scenario, good.parent)
    policy = make_policy("fixed", scenario.policies[1].model_dump(), system)
    task = next(task for task in system.tasks() if task.kind.name == "image")
    seen = DelayedObservation(task, task.arrival_ns, Network(system), system.placements[task.source, "image"])
    choice = policy.decide(seen)
    assert describe(choice) == f"{task.source}:0-2|edge1:2-11@int4"
    assert choice in seen.candidates
    named = make_policy("fixed", {"splits": {"image": {"cut": 2, "node": "edge1", "codec": "int8"}}}, system)
    assert describe(named.decide(seen)) == f"{task.source}:0-2|edge1:2-11"  # the default has one name


def test_units_of_tasks_and_control(good: Path) -> None:
    system = build(load(good, ["tasks[0].result_kb=1.5", "tasks[0].activation=fp16"]), good.parent)
    image = system.streams[0]
    assert (image.kind.input_bytes, image.kind.result_bytes, image.kind.codecs) == (100_000, 1_500, ("fp16",))
    assert image.kind.deadline_ns == 300_000_000
    assert image.arrivals == Poisson(2)
    assert (system.control.node, system.control.age_ns, system.control.window_ns) == ("gnb", 5_000_000, 100_000_000)
    assert (system.duration_ns, system.cost.failure_s) == (2_000_000_000, 1.0)


def test_units_of_devices() -> None:
    spec = device_spec(
        DeviceSection(compute_gflops=2, memory_mb=3, memory_gb_per_s=4, load_mb_per_s=5, layer_overhead_us=6)
    )
    assert (spec.compute_flops_per_s, spec.memory_bytes, spec.memory_bytes_per_s) == (2e9, 3_000_000, 4e9)
    assert (spec.load_bytes_per_s, spec.layer_overhead_ns) == (5e6, 6_000)


def test_recorded_arrivals_are_read_from_a_file(good: Path) -> None:
    (good.parent / "a.json").write_text(json.dumps({"arrival_ns": [5, 5, 9]}))
    scenario = load(good, [f"tasks[0].arrivals={{recorded: {{file: {good.parent / 'a.json'}}}}}"])
    assert build(scenario, good.parent).streams[0].arrivals == Recorded((5, 5, 9))


def test_a_part_of_a_recording_is_replayed_and_scaled(good: Path) -> None:
    (good.parent / "x.log").write_text(RATES)
    part = "format: rate, interval_s: [4, 6], training_interval_s: [10, 14], scale: 0.5"
    trace = f"{{file: {good.parent / 'x.log'}, {part}}}"
    system = build(load(good, [f"links[0].uplink={{trace: {trace}}}"]), good.parent)
    up = system.links[0].trace
    assert up.mean_rate_bps == 0.5 * (5 + 6) / 2 * 1e6
    assert [(interval.start_ns, interval.stop_ns) for interval in up.lineage] == [(4_000_000_000, 6_000_000_000)]


def test_resolved_text_loads_as_the_same_scenario(good: Path) -> None:
    scenario = load(good, ["seed=3", "links[1].delay_ms=2"])
    again = good.parent / "scenario.yaml"
    again.write_text(resolved_yaml(scenario, good.parent))
    assert load(again) == scenario


def test_run_folder_contains_the_recordings(good: Path, tmp_path: Path) -> None:
    (good.parent / "x.log").write_text(RATES)
    (good.parent / "a.json").write_text(json.dumps({"arrival_ns": [1, 2]}))
    text = good.read_text().replace("uplink: {}", "uplink: {trace: {file: x.log, format: rate, scale: 2}}")
    good.write_text(text.replace("{poisson: {rate_per_s: 2}}", "{recorded: {file: a.json}}"))
    scenario = load(good)
    system = build(scenario, good.parent)
    run = tmp_path / "run"
    (run / "traces").mkdir(parents=True)
    save_traces(system, run)
    (run / "scenario.yaml").write_text(resolved_yaml(scenario, good.parent))
    (good.parent / "x.log").unlink()
    (good.parent / "a.json").unlink()
    again = build(load(run / "scenario.yaml"), run)
    assert [link.trace.sha256 for link in again.links] == [link.trace.sha256 for link in system.links]
    assert {link.trace.sha256 for link in system.links} == {trace.sha256 for trace in load_traces(run).values()}
    assert [stream.arrivals for stream in again.streams] == [stream.arrivals for stream in system.streams]


def test_stored_scenario_has_checkpoints_and_needs_no_training(good: Path, tmp_path: Path) -> None:
    (good.parent / "x.log").write_text(RATES)
    trace = "{trace: {file: x.log, format: rate, interval_s: [0, 10], training_interval_s: [10, 20]}}"
    text = good.read_text().replace("uplink: {}", f"uplink: {trace}")
    good.write_text(text.replace("{type: random}", "{type: random}\n  - {type: ppo}\n  - {type: a3c, label: mine}"))
    scenario = load(good)
    run = tmp_path / "run"
    (run / "traces").mkdir(parents=True)
    save_traces(build(scenario, good.parent), run)
    (run / "scenario.yaml").write_text(resolved_yaml(scenario, good.parent))
    with pytest.raises(ValueError, match=r"policies\[1\]\.checkpoint=checkpoints/ppo\.safetensors: must be an exist"):
        load(run / "scenario.yaml")
    (run / "checkpoints").mkdir()
    for label in ("ppo", "mine"):
        (run / checkpoint_file(label)).touch()
    again = load(run / "scenario.yaml")
    learned = [each.checkpoint for each in again.policies if isinstance(each, LearnedSection)]
    assert learned == ["checkpoints/ppo.safetensors", "checkpoints/mine.safetensors"]


def test_moved_folder_contains_its_decisions_and_profiles(good: Path, tmp_path: Path) -> None:
    home = good.parent
    save_profile(load_profile("nin"), home / "mine.json")
    (home / "d.jsonl").write_text("decisions")
    text = good.read_text().replace("{type: random}", "{type: replay, label: again, file: d.jsonl}")
    text = text.replace("model: llama-15m", "model: text.json")
    save_profile(load_profile("llama-15m"), home / "text.json")
    good.write_text(f"{text}models: {{alexnet: mine.json, vgg16: unused.json}}\n")
    scenario = load(good)
    run = tmp_path / "run"
    for place, source in input_files(scenario, home).items():
        (run / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, run / place)
    (run / "scenario.yaml").write_text(resolved_yaml(scenario, home))
    before = build(scenario, home)
    for name in ("mine.json", "text.json", "d.jsonl"):
        (home / name).unlink()
    moved = run.rename(tmp_path / "moved")
    again = load(moved / "scenario.yaml")
    assert {path.relative_to(moved).as_posix() for path in (moved / "inputs").iterdir()} == {
        "inputs/again.jsonl",
        "inputs/alexnet.json",
        "inputs/text.json.json",
    }
    assert [each.file for each in again.policies if isinstance(each, ReplaySection)] == ["inputs/again.jsonl"]
    assert build(again, moved).models == before.models
    assert str(home) not in (moved / "scenario.yaml").read_text()


def test_moved_folder_contains_its_recorded_tracks(good: Path, tmp_path: Path) -> None:
    home = good.parent
    (home / "tracks").mkdir()
    (home / "tracks" / "walk.csv").write_text("time_s,x_m,y_m\n0,30,0\n2,33,0\n")
    good.write_text(good.read_text().replace("{at_m: [40, 0]}", "{track: tracks/walk.csv}"))
    scenario = load(good)
    before = build(scenario, home)
    run = tmp_path / "run"
    for place, source in input_files(scenario, home).items():
        (run / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, run / place)
    (run / "scenario.yaml").write_text(resolved_yaml(scenario, home))
    shutil.rmtree(home / "tracks")
    again = build(load(run / "scenario.yaml"), run)
    assert [link.trace.sha256 for link in again.links] == [link.trace.sha256 for link in before.links]


def test_nested_paths_of_an_override_are_relative_to_the_working_directory(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "ck.safetensors").touch()
    (elsewhere / "a.json").write_text('{"arrival_ns": [7]}')
    save_profile(load_profile("nin"), elsewhere / "mine.json")
    monkeypatch.chdir(elsewhere)
    overrides = [
        "policies=[{type: a3c, checkpoint: ck.safetensors}]",
        "hil.policies=[a3c]",
        "tasks[0].arrivals={recorded: {file: a.json}}",
        "models={alexnet: mine.json}",
    ]
    scenario = load(good, overrides)
    system = build(scenario, good.parent)
    assert [each.checkpoint for each in scenario.policies if isinstance(each, LearnedSection)] == [
        str(elsewhere / "ck.safetensors")
    ]
    assert system.streams[0].arrivals == Recorded((7,))
    assert system.streams[0].kind.model == load_profile("nin")


def test_error_begins_with_the_files_name_once() -> None:
    for text in ("links[0]: must be\nbetter", "x.yaml: links[0]: must be better"):
        with (
            pytest.raises(ValueError, match=r"^x\.yaml: links\[0\]: must be better$"),
            prefix_errors(Path("far/x.yaml")),
        ):
            raise ValueError(text)


def test_hil_duration_may_exceed_the_runs(good: Path) -> None:
    hil = load(good, ["hil.duration_s=9"]).hil
    assert hil is not None and hil.duration_s == 9


def test_unacknowledged_bearers_are_allowed_with_an_erasure_cost(good: Path) -> None:
    overrides = ["links[0].bearer=um", "tasks[0].transport=udp", "tasks[1].transport=udp", "cost.erasure_s=0.5"]
    system = build(load(good, overrides), good.parent)
    assert (system.links[0].bearer, system.cost.erasure_s) == ("um", 0.5)


@pytest.mark.parametrize("rate", ["1e-9", "1e-300", "5e-324"])
def test_very_low_arrival_rates_give_no_tasks(good: Path, rate: str) -> None:
    stream = build(load(good, [f"tasks[0].arrivals.poisson.rate_per_s={rate}"]), good.parent).streams[0]
    assert list(stream.tasks(1, 10**15)) == []


def test_recorded_requests_need_token_counts(good: Path) -> None:
    (good.parent / "a.json").write_text('{"arrival_ns": [1, 2]}')
    text = good.read_text().replace("{periodic: {interval_ms: 500}}", "{recorded: {file: a.json}}")
    good.write_text(
        text.replace("    tokens: {prompt_mean: 10, prompt_max: 40, output_mean: 10, output_max: 40}\n", "")
    )
    with pytest.raises(ValueError, match=r"tasks\[1\].tokens: must be given"):
        load(good)


def test_stored_traces_replace_generated_ones(good: Path) -> None:
    stored = {"ue1-gnb": constant(1e6), "edge1-gnb": constant(2e6)}
    links = {(link.source, link.target): link.trace for link in build(load(good), good.parent, stored).links}
    fresh = {(link.source, link.target): link.trace for link in build(load(good), good.parent).links}
    assert links["ue1", "gnb"] is stored["ue1-gnb"]
    assert links["edge1", "gnb"] is stored["edge1-gnb"]
    assert links["ue2", "gnb"].sha256 == fresh["ue2", "gnb"].sha256 != fresh["ue1", "gnb"].sha256


def test_scenarios_are_immutable(good: Path) -> None:
    scenario = load(good)
    with pytest.raises(ValidationError):
        scenario.seed = 5


def test_labels_default_to_types_and_classes_to_their_names(good: Path) -> None:
    scenario = load(
        good, ['policies=[{type: random}, {type: "lab.mine:Best", options: {x: 1}}]', "hil.policies=[Best]"]
    )
    assert scenario.labels == ("random", "Best")


def test_json_schema_is_current() -> None:
    committed = Path(__file__).parents[3] / "topologies" / "scenario.schema.json"
    assert json.loads(committed.read_text()) == json_schema(), "write json_schema() to topologies/scenario.schema.json"


def test_json_schema_describes_all_keys_of_the_shipped_scenarios() -> None:
    assert set(json_schema()["properties"]) == set(Scenario.model_fields)
