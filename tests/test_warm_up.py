"""The compiler's cache: complete after the warm-up, where it can be written, and rid of former folders."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emulator.core.fifo import append
from emulator.core.machine_code import KEPT_FOLDERS
from tests.commands import ROOT

FOLDER = "from emulator.core.compiled import cache_folder; from emulator.core.draws import uniform; "
FOLDER += "print(cache_folder(), uniform(1, 1, 1, 1) < 1.0)"
RUN = ["-m", "airsplit", "run", "topologies/quickstart.yaml", "--quiet", "--set", "duration_s=1"]
RUN += ["--set", "policies=[{type: exact}, {type: greedy}, {type: ppo}]", "--set", "hil.policies=[greedy]"]
RUN += ["--set", "training={environment: offload, steps: 64, traces: 1, duration_s: 1}", "--no-cache"]


def python(cache: Path | str, *arguments: str) -> str:
    env = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=600, check=True
    )
    return done.stdout


@pytest.mark.timeout(600)
def test_after_the_warm_up_a_run_compiles_nothing(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    python(cache, "-m", "airsplit.warm_up")
    compiled = sorted(cache.rglob("*.nbc"))
    assert len(compiled) > 30
    python(cache, *RUN, "--out", str(tmp_path / "runs"))
    assert sorted(cache.rglob("*.nbc")) == compiled


def test_former_folders_are_removed_except_the_last(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"machine-code-{number}").mkdir()
        os.utime(tmp_path / f"machine-code-{number}", (number, number))
    folder = Path(python(tmp_path, "-c", FOLDER).split()[0])
    kept = {folder.name, *(f"machine-code-{number}" for number in range(6 - KEPT_FOLDERS, 5))}
    assert {each.name for each in tmp_path.iterdir()} == kept
    assert list(folder.rglob("*uniform*.nbc"))


def test_without_a_folder_that_can_be_written_machine_code_stays_in_memory() -> None:
    assert python("/dev/null/cache", "-c", FOLDER) == "None True\n"


def test_a_function_for_compiled_code_alone_refuses_a_call_from_python() -> None:
    with pytest.raises(TypeError, match="append called from Python: decorate it with entry_point"):
        append(np.zeros(1), np.zeros(1), 0)
