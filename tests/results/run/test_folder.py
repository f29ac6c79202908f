import json
import re
from pathlib import Path

import pytest

from emulator.core.files import atomic_write
from emulator.core.sources import versions_now
from emulator.trace import Trace
from results.run.folder import Run, create_run_folder, open_run, verify
from results.run.machine import git_state, parse_cpuinfo
from results.run.manifest import Check, Manifest, load_manifest, write_manifest


def refusal(path: Path) -> str:
    with pytest.raises(ValueError) as raised:
        open_run(path)
    text = str(raised.value)
    assert "\n" not in text
    assert text.startswith(str(path))
    return text.removeprefix(str(path))


def test_folder_names_are_unique(tmp_path: Path) -> None:
    folders = [create_run_folder(tmp_path, "quickstart", "3fa9c1d2aaaa") for _ in range(5)]
    assert len(set(folders)) == 5
    for folder in folders:
        assert re.fullmatch(r"\d{8}T\d{6}Z-3fa9c1d2(-[2-5])?", folder.name)
        assert folder.parent == tmp_path / "quickstart"
        assert {child.name for child in folder.iterdir()} == {"traces", "checkpoints", "figures"}


@pytest.mark.parametrize("name", ["", "..", "a/b", "/tmp", "a b", "-x"])
def test_a_scenario_name_must_be_plain(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"name=.*must be letters"):
        create_run_folder(tmp_path, name, "00")
    assert not list(tmp_path.iterdir())


def test_manifest_round_trip(small: Run) -> None:
    write_manifest(small.path, small.manifest)
    opened = open_run(small.path)
    assert opened == small
    verify(opened)
    assert not list(small.path.glob(".*"))


def test_manifest_contains_all_needed_to_repeat(small: Run) -> None:
    path = write_manifest(small.path, small.manifest)
    stored = json.loads(path.read_text())
    assert stored["trace_sha256"].keys() == {f"traces/ue{n}-gnb.parquet" for n in (1, 2, 3)}
    assert stored["trace_sha256"]["traces/ue1-gnb.parquet"] == Trace.load(small.path / "traces/ue1-gnb.parquet").sha256
    assert stored["data_sha256"].keys() == {"bound.parquet"}
    assert all(re.fullmatch("[0-9a-f]{64}", stored[name]) for name in ("scenario_sha256", "records_sha256"))
    assert stored["seeds"] == {"scenario": 5}
    assert stored["command"][:2] == ["airsplit", "run"]
    assert {"python", "airsplit", "numpy", "torch", "pyarrow"} <= stored["versions"].keys()
    assert stored["machine"]["threads"] == {"torch": 1}


def test_unfinished_run_is_refused(tmp_path: Path, small: Run) -> None:
    assert refusal(tmp_path / "nowhere") == ": must be the folder of a run"
    assert refusal(small.path) == ": must hold manifest.json: the run did not finish"
    path = write_manifest(small.path, small.manifest)
    good = path.read_text()
    path.write_text(good[: len(good) // 2])
    assert refusal(small.path).startswith("/manifest.json: content: must be as airsplit writes it: Invalid JSON")
    path.write_text(good.replace('"format": 1', '"format": 2'))
    assert refusal(small.path) == "/manifest.json: format: must be as airsplit writes it: Input should be 1"
    path.write_text(good.replace('"seeds"', '"sedes"'))
    assert refusal(small.path).startswith("/manifest.json: seeds: must be as airsplit writes it: Field required")
    path.write_text(good)
    (small.path / "tasks.parquet").unlink()
    assert refusal(small.path) == "/tasks.parquet: must be there: manifest.json names it"


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("scenario.yaml", "scenario_sha256"),
        ("bound.parquet", "data_sha256 of bound.parquet"),
        ("traces/ue2-gnb.parquet", "trace_sha256 of traces/ue2-gnb.parquet"),
        ("tasks.parquet", "records_sha256"),
    ],
)
def test_verify_names_the_file_that_changed(small: Run, name: str, digest: str) -> None:
    path = small.path / name
    match name:
        case "tasks.parquet":
            path.write_bytes((small.path / "stages.parquet").read_bytes())
        case "traces/ue2-gnb.parquet":
            Trace.load(path).scale(2).save(path)
        case _:
            path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(ValueError, match=f"{digest} is .*, must be .* as in manifest.json"):
        verify(small)


def test_verify_reports_an_unknown_file(small: Run) -> None:
    (small.path / "checkpoints" / "ppo.safetensors").write_bytes(b"weights")
    with pytest.raises(ValueError, match=r"checkpoint_sha256 of checkpoints/ppo\.safetensors is .*, must be none"):
        verify(small)


def test_files_are_written_atomically(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with pytest.raises(RuntimeError), atomic_write(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_check_fails_above_its_limit_and_without_a_number(small: Run) -> None:
    def check(value: float) -> Check:
        return Check(name="Little's law", subject="exact", value=value, limit=1e-9)

    assert check(-1e-10).passed
    assert not check(2e-9).passed
    assert not check(float("nan")).passed
    manifest = small.manifest.model_copy(update={"checks": (check(float("nan")), check(float("inf")))})
    loaded = load_manifest(write_manifest(small.path, manifest))
    assert [check.passed for check in loaded.checks] == [False, False]


def test_cpuinfo_of_both_families() -> None:
    x86 = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: sse avx2\n\nprocessor\t: 1\nflags\t: none\n"
    arm = "processor\t: 0\nBogoMIPS\t: 50\nFeatures\t: fp asimd\n"
    assert parse_cpuinfo(x86) == ("Some CPU @ 2 GHz", ("avx2", "sse"))
    assert parse_cpuinfo(arm) == ("", ("asimd", "fp"))
    assert parse_cpuinfo("") == ("", ())


def test_git_state_is_a_commit_or_none_without_a_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("results.run.machine.__file__", str(tmp_path / "machine.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state() is None


def test_versions_of_declared_requirements() -> None:
    versions = versions_now()
    assert "pytest" not in versions
    assert re.match(r"\d+\.\d+", versions["numpy"])


def test_manifest_is_frozen(small: Run) -> None:
    with pytest.raises(ValueError, match="frozen"):
        small.manifest.scenario = "other"
    assert isinstance(small.manifest, Manifest)
