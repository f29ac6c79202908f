"""The command line in new processes: exit codes, one-line errors, digests, folders."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pyarrow.parquet as pq
import pytest

from airsplit.cli import main
from tests.commands import COMMAND, ROOT, call, call_anew
from tests.topologies.loading.bad_scenarios import CASES, GOOD, Case


def digest_of(folder: Path) -> str:
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return str(manifest["records_sha256"])


def run_quickstart(out: Path, *arguments: str, run: Callable[..., CompletedProcess[str]] = call) -> Path:
    done = run("run", "topologies/quickstart.yaml", "--out", out, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["run"])


NEAR = "ring: {nearest_m: 200, farthest_m: 450}"
FAR = "ring: {nearest_m: 12000, farthest_m: 28000}"
FEW = ("--set", "tasks[0].cuts=[13]")  # a sixth of the placements: episodes have the outcome of each
TRAINING = (*FEW, "--set", "training.steps=2048", "--set", "training.traces=1", "--set", "training.duration_s=6")
SHORT = ("--set", "duration_s=6", "--set", "hil.duration_s=6", *TRAINING)


def with_policy(policy: str, options: str = "") -> tuple[str, ...]:
    """Return arguments for a run of the quickstart under this policy alone, without figures."""
    policies = f"policies=[{{type: {policy}{options}}}]"
    others = ("--set", f"hil.policies=[{policy}]", "--set", f"realtime.policy={policy}")
    return ("--no-figures", "--set", policies, *others)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_quickstart(tmp_path_factory.mktemp("runs"), "--seed", "5", *SHORT)


def test_same_seed_in_two_processes_gives_the_same_records(finished: Path, tmp_path: Path) -> None:
    anew = partial(call_anew, PYTHONHASHSEED="4711")
    again = run_quickstart(tmp_path, "--seed", "5", "--no-figures", "--no-cache", *SHORT, run=anew)
    assert digest_of(again) == digest_of(finished)
    first, second = (json.loads((each / "manifest.json").read_text()) for each in (finished, again))
    assert first["trace_sha256"] == second["trace_sha256"]
    assert first["checkpoint_sha256"] == second["checkpoint_sha256"]


def test_another_seed_gives_other_records(tmp_path: Path) -> None:
    one, other = (run_quickstart(tmp_path, "--seed", seed, *SHORT, *with_policy("all-edge")) for seed in ("5", "6"))
    assert digest_of(one) != digest_of(other)


def test_rerun_agrees_with_the_manifest(finished: Path) -> None:
    done = call("rerun", finished / "manifest.json", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["again"] == digest_of(finished)


def test_rerun_notices_a_manifest_that_differs(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", finished, copy], check=True)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["records_sha256"] = "0" * 64
    (copy / "manifest.json").write_text(json.dumps(manifest))
    done = call("rerun", copy)
    assert done.returncode == 3
    assert "records_sha256" in done.stderr


def test_figures_and_report_can_be_made_again(finished: Path) -> None:
    (finished / "report.html").unlink()
    figures = json.loads(call("figures", finished, "--json").stdout)
    assert all((ROOT / path).is_file() for path in figures)
    assert call("report", finished).returncode == 0
    assert (finished / "report.html").stat().st_size > 100_000


def test_table_and_report_path_go_to_stdout_and_progress_to_stderr(tmp_path: Path) -> None:
    done = call("run", "topologies/quickstart.yaml", "--out", tmp_path, *SHORT, *with_policy("all-edge"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("policy ")
    assert done.stdout.splitlines()[-1].startswith("report: ")
    assert "simulating policies" in done.stderr


@pytest.mark.parametrize("case", CASES[::4], ids=lambda case: case.id)
def test_bad_scenario_gives_a_line_for_each_mistake_exit_code_3_and_no_folder(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = case.write(tmp_path)
    runs = tmp_path / "runs"
    overrides = [word for override in case.overrides for word in ("--set", override)]
    monkeypatch.setattr(sys, "argv", ["airsplit", "run", str(path), "--out", str(runs), *overrides])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert ended.value.code == 3
    assert printed.out == ""
    assert printed.err.count("\n") == case.lines
    assert case.expected.removeprefix("bad.yaml: ") in printed.err
    assert case.file in printed.err
    assert not runs.exists()


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "must be a trace that airsplit wrote"),
        (b"PAR1 but nothing more", "must be a trace that airsplit wrote"),
        (b"1\n2\n3\n", "must be a trace that airsplit wrote"),
    ],
)
def test_bad_trace_gives_one_line_and_exit_code_3(content: bytes, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.parquet"
    path.write_bytes(content)
    done = call("trace", "check", path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert str(path) in done.stderr
    assert rule in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("run",), 2),
        (("run", "topologies/quickstart.yaml", "--nonsense"), 2),
        (("run", "missing.yaml"), 3),
        (("trace", "info", "missing.parquet"), 3),
        (("trace", "rtt", "missing.list"), 3),
        (("trace", "import", "missing", "--format", "rate", "--out", "x"), 3),
        (("trace", "new", "--out", "x", "--duration", "soon"), 3),
        (("trace", "new", "--out", "x", "--set", "speed=1"), 3),
        (("report", "topologies"), 3),
        (("rerun", "missing/manifest.json"), 3),
        (("hosts", "--broker", "127.0.0.1:9"), 4),
        (("profile", "no-such-model", "--out", "x"), 3),
    ],
)
def test_exit_codes(arguments: tuple[str, ...], code: int) -> None:
    done = call(*arguments)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert "Traceback" not in done.stderr
    if code != 2:
        assert done.stderr.count("\n") == 1


def test_mahimahi_import_and_export_return_the_same_bytes(tmp_path: Path) -> None:
    recording = tmp_path / "recording"
    recording.write_bytes(b"0\n3\n3\n7\n12\n12\n")
    trace, exported = tmp_path / "t.parquet", tmp_path / "exported"
    assert call("trace", "import", recording, "--format", "mahimahi", "--out", trace).returncode == 0
    assert call("trace", "export", trace, "--format", "mahimahi", "--out", exported).returncode == 0
    assert exported.read_bytes() == recording.read_bytes()
    facts = json.loads(call("trace", "info", trace, "--json").stdout)
    assert facts["duration_ns"] == 12_000_000
    assert facts["mean_rate_bps"] == 6 * 1500 * 8 / 12e-3
    assert len(facts["sha256"]) == 64


def test_generated_traces_are_equal_in_another_process(tmp_path: Path) -> None:
    settings = ("--model", "umi", "--ues", "2", "--duration", "2s", "--seed", "9", "--set", "radio.speed_mps=10")
    made = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        done = call_anew("trace", "new", "--out", folder, *settings, "--json", PYTHONHASHSEED=seed)
        assert done.returncode == 0, done.stderr
        files = json.loads(done.stdout)
        assert [Path(each["path"]).name for each in files] == [
            f"ue{number}-{way}.parquet" for number in (1, 2) for way in ("uplink", "downlink")
        ]
        made.append([each["sha256"] for each in files])
        info = json.loads(call("trace", "info", files[0]["path"], "--json").stdout)
        assert info["sha256"] == files[0]["sha256"]
    assert made[0] == made[1]
    assert len(set(made[0])) == 4
    picture = tmp_path / "trace.pdf"
    assert call("trace", "plot", tmp_path / "1" / "ue1-uplink.parquet", "--out", picture).returncode == 0
    assert picture.read_bytes().startswith(b"%PDF")


def test_trace_of_one_direction_of_one_ue_may_be_a_file(tmp_path: Path) -> None:
    one = ("trace", "new", "--out", tmp_path / "x.parquet", "--duration", "500ms")
    done = call(*one, "--direction", "uplink", "--json")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet"]
    refused = call(*one)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (3, "", 1)
    assert "x.parquet: must be a folder, or --ues 1 and --direction" in refused.stderr


def test_trained_checkpoint_is_used_by_a_run(tmp_path: Path) -> None:
    checkpoint = tmp_path / "agent.safetensors"
    done = call("train", "topologies/quickstart.yaml", "--agent", "ppo", "--out", checkpoint, "--quiet", *TRAINING)
    assert done.returncode == 0, done.stderr
    folder = run_quickstart(tmp_path / "runs", *SHORT, *with_policy("ppo", f", checkpoint: {checkpoint}"))
    assert (folder / "checkpoints" / "ppo.safetensors").read_bytes() == checkpoint.read_bytes()


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a run that was killed before its end: seconds after its records were begun."""
    command = [*COMMAND, "run", "topologies/quickstart.yaml", "--out", str(tmp_path), "--quiet"]
    with subprocess.Popen([*command, "--set", "duration_s=20", *with_policy("exact")], cwd=ROOT) as process:
        deadline = time.monotonic() + 300
        while not list(tmp_path.glob("quickstart/*/tasks.parquet")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    yield next(tmp_path.glob("quickstart/*"))


def test_killed_run_has_no_manifest_and_is_refused(killed: Path) -> None:
    assert not (killed / "manifest.json").exists()
    for command in ("figures", "report", "rerun"):
        done = call(command, killed)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
        assert "must hold manifest.json: the run did not finish" in done.stderr


def test_policy_that_cannot_be_made_is_refused_before_the_run(tmp_path: Path) -> None:
    scenario = tmp_path / "late.yaml"
    scenario.write_text(GOOD.replace("{type: random}", "{type: 'no_such_module:Policy'}"))
    done = call("run", scenario, "--out", tmp_path / "runs", "--quiet")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "no_such_module:Policy" in done.stderr
    assert not list((tmp_path / "runs").glob("*/*"))


def test_custom_policy_class_decides(tmp_path: Path) -> None:
    (tmp_path / "own_policy.py").write_text(
        "class Last:\n    def __init__(self, back): self.back = back\n"
        "    def decide(self, observation): return observation.candidates[-self.back]\n"
    )
    scenario = tmp_path / "own.yaml"
    scenario.write_text(GOOD.replace("{type: random}", "{type: 'own_policy:Last', options: {back: 1}}"))
    arguments = ("run", scenario, "--out", tmp_path / "runs", "--json", "--no-figures")
    done = call_anew(*arguments, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "Last" in [row["policy"] for row in json.loads(done.stdout)["summary"]]


def test_policy_that_returns_nothing_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "lazy_policy.py").write_text("class Lazy:\n    def decide(self, observation): pass\n")
    scenario = tmp_path / "lazy.yaml"
    scenario.write_text(GOOD.replace("{type: random}", "{type: 'lazy_policy:Lazy'}"))
    done = call_anew("run", scenario, "--out", tmp_path / "runs", "--quiet", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "lazy.yaml" in done.stderr
    assert "lazy_policy:Lazy" in done.stderr


@pytest.fixture
def on_a_recording(tmp_path: Path) -> Path:
    """Return a scenario that replays one part of a recording and trains on another part."""
    rates = "".join(f"{second} {1 + second % 7}\n" for second in range(40))
    (tmp_path / "walk.txt").write_text(rates)
    recorded = "{trace: {file: walk.txt, format: rate, interval_s: [0, 10], training_interval_s: [10, 40]}}"
    scenario = tmp_path / "recorded.yaml"
    text = GOOD.replace("uplink: {}", f"uplink: {recorded}").replace("{type: random}", "{type: ppo}")
    scenario.write_text(text + "training: {steps: 2048, traces: 1, duration_s: 20}\n")
    return scenario


def test_checkpoint_of_another_agent_is_refused_before_the_run(tmp_path: Path) -> None:
    checkpoint = tmp_path / "a3c.safetensors"
    done = call("train", "topologies/quickstart.yaml", "--agent", "a3c", "--out", checkpoint, "--quiet", *TRAINING)
    assert done.returncode == 0, done.stderr
    runs = tmp_path / "runs"
    done = call("run", "topologies/quickstart.yaml", "--out", runs, "--set", f"policies[10].checkpoint={checkpoint}")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert ": policies[10]: type=ppo: must have a checkpoint of ppo, not of a3c" in done.stderr
    assert not runs.exists()


def test_moved_run_of_an_agent_trained_on_a_recording_can_be_repeated(on_a_recording: Path, tmp_path: Path) -> None:
    done = call("run", on_a_recording, "--out", tmp_path / "runs", "--json", "--no-figures")
    assert done.returncode == 0, done.stderr
    moved = tmp_path / "elsewhere"
    Path(json.loads(done.stdout)["run"]).rename(moved)
    on_a_recording.unlink()
    (tmp_path / "walk.txt").unlink()
    again = call("rerun", moved)
    assert again.returncode == 0, again.stderr


def test_run_without_tasks_gives_a_table_of_zeros(tmp_path: Path) -> None:
    scenario = tmp_path / "idle.yaml"
    scenario.write_text(
        GOOD.replace("duration_s: 2", "duration_s: 0.0001").replace(
            "interval_ms: 500", "interval_ms: 500, phase_ms: 400"
        )
    )
    done = call("run", scenario, "--out", tmp_path / "runs", "--json")
    assert done.returncode == 0, done.stderr
    assert [row["tasks"] for row in json.loads(done.stdout)["summary"]] == [0, 0]


def test_ues_far_out_of_coverage_are_an_outcome(tmp_path: Path) -> None:
    """The quickstart 12 to 28 km from its gNB, with memory for the images' network in the glasses: trained, run,
    reported and repeated."""
    text = (ROOT / "topologies" / "quickstart.yaml").read_text()
    assert text.count(NEAR) == 1
    scenario = tmp_path / "far.yaml"
    scenario.write_text(text.replace(NEAR, FAR).replace("memory_mb: 16\n", "memory_mb: 32\n"))
    others = ("--set", "hil.policies=[exact]", "--set", "policies=[{type: all-edge}, {type: exact}, {type: ppo}]")
    done = call("run", scenario, "--out", tmp_path / "runs", "--json", *SHORT, *others)
    assert done.returncode == 0, done.stderr
    folder = Path(json.loads(done.stdout)["run"])
    tasks = pq.read_table(folder / "tasks.parquet").to_pylist()
    reasons = {name: Counter(row["reason"] for row in tasks if row["policy"] == name) for name in ("all-edge", "exact")}
    assert reasons["all-edge"].keys() == {"no coverage"}
    assert reasons["exact"].keys() == {"", "no coverage"}  # a text must cross, an image need not
    assert all(row["gap"] >= 0 for row in json.loads(done.stdout)["summary"])
    assert "12 of 20 links are out of coverage all the time" in (folder / "report.html").read_text()
    assert call("rerun", folder).returncode == 0


def test_trace_without_coverage_can_be_made_checked_and_drawn(tmp_path: Path) -> None:
    far = ("--set", "radio.ring.nearest_m=12000", "--set", "radio.ring.farthest_m=28000")
    trace = tmp_path / "far.parquet"
    made = call("trace", "new", "--out", trace, "--duration", "1s", "--direction", "uplink", *far)
    assert made.returncode == 0, made.stderr
    assert json.loads(call("trace", "info", trace, "--json").stdout)["mean_rate_bps"] == 0
    assert call("trace", "check", trace).returncode == 0
    drawn = call("trace", "plot", trace, "--out", tmp_path / "far.pdf")
    assert (drawn.returncode, drawn.stderr) == (0, "")
    refused = call("trace", "export", trace, "--format", "mahimahi", "--out", tmp_path / "far.txt")
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (3, "", 1)


def test_output_folder_that_cannot_be_made_is_refused_before_the_work() -> None:
    done = call("run", "topologies/quickstart.yaml", "--out", "/proc/none")
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "/proc/none: No such file or directory\n")


def test_missing_file_is_named() -> None:
    for arguments in (("info", "missing.parquet"), ("plot", "missing.parquet", "--out", "x.pdf"), ("rtt", "missing")):
        assert call("trace", *arguments).stderr == f"{arguments[1]}: No such file or directory\n"


def test_commands_that_write_a_file_print_it_as_json(tmp_path: Path) -> None:
    trace = tmp_path / "t.parquet"
    one = ("--duration", "1s", "--direction", "uplink")
    (made,) = json.loads(call("trace", "new", "--out", trace, *one, "--json").stdout)
    assert made["path"] == str(trace)
    assert json.loads(call("trace", "check", trace, "--json").stdout) == made
    assert call("--version").stdout.startswith("airsplit ")


def test_output_file_in_a_missing_folder_is_refused_before_the_work(tmp_path: Path) -> None:
    missing = tmp_path / "none" / "file.parquet"
    for arguments in (
        ("train", "topologies/quickstart.yaml", "--agent", "ppo"),
        ("profile", "nin"),
        ("trace", "new"),
        ("trace", "import", "topologies/quickstart.yaml", "--format", "rate"),  # which it would refuse
    ):
        done = call(*arguments, "--out", missing)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
        assert str(missing) in done.stderr
