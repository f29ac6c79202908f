"""The example of the page on studies runs as it is printed, and leaves what the page says."""

import re
import shutil
from pathlib import Path

import pytest

from tests.commands import call

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "studies.md").read_text()


def block(language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(text)


def test_the_study_runs_and_its_rows_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copyfile(ROOT / "topologies" / "quickstart.yaml", tmp_path / "quickstart.yaml")
    (tmp_path / "speed.yaml").write_text(block("yaml"))
    done = call("study", tmp_path / "speed.yaml", "--out", tmp_path / "studies", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "30 of 30 cells" in done.stdout and "95 % interval" in done.stdout
    folder = tmp_path / "studies" / "speed"
    named = re.findall(r"`([\w.]+/?)`", "\n".join(re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)))
    assert len(named) == 9
    assert {name for name in named if not (folder / name).exists()} == {"failed.csv"}
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    exec(compile(block("python"), "docs/studies.md", "exec"), namespace)
    rows, cells = namespace["rows"], namespace["cells"]
    assert len(rows) == cells["tasks"].sum()  # type: ignore[index,arg-type]  # tables of pandas
    assert set(rows["policy"].astype(str)) == {"random", "all-edge", "exact"}  # type: ignore[index]
