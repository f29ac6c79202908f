"""The folder of converted models: what killed processes leave is removed, what others are making is not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.core.errors import MissingDependency
from topologies.models.model_cache import kept_folder

ROOT = Path(__file__).parents[3]
FILL = """
import sys, time
from topologies.models.model_cache import kept_folder
def fill(made):
    (made / "half").write_bytes(bytes(1000))
    print("filling", flush=True)
    time.sleep(60)
kept_folder("slow", fill)
"""


def write(made: Path) -> None:
    (made / "file").write_text("whole")


def test_what_a_killed_process_left_is_removed_but_nothing_that_is_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRSPLIT_MODELS", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", FILL], cwd=ROOT, stdout=subprocess.PIPE) as filling:
        assert filling.stdout is not None
        assert filling.stdout.readline() == b"filling\n"
        kept_folder("first", write)
        (left,) = tmp_path.glob(".partial-*")
        assert (left / "slow" / "half").exists()
        os.kill(filling.pid, signal.SIGKILL)
    assert left.exists()
    kept_folder("second", write)
    assert {path.name for path in tmp_path.iterdir()} == {"first", "second"}


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AIRSPLIT_MODELS", str(tmp_path / "file"))
    with pytest.raises(MissingDependency, match=r"file: File exists; set AIRSPLIT_MODELS to a folder"):
        kept_folder("name", write)
