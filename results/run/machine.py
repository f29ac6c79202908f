"""What results may depend on besides the scenario: processor, versions and source."""

import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import BaseModel, ConfigDict

# Variables that set thread counts or hash seeds. None should change a result; the manifest records them all.
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "PYTHONHASHSEED")


class Machine(BaseModel):
    """The computer. NumPy and torch may round differently depending on `cpu_features`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str
    cpu_model: str
    cpu_features: tuple[str, ...]
    numpy_features: tuple[str, ...]
    cores: int
    threads: dict[str, int]
    environment: dict[str, str]


class Git(BaseModel):
    """The state of the source's repository; `dirty`: with uncommitted changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    commit: str
    dirty: bool


def machine_now(threads: dict[str, int]) -> Machine:
    """Describe this machine. `threads`: the counts that the run set, by library."""
    model, flags = parse_cpuinfo(_cpuinfo())
    extensions = cast(dict[str, Any], np.show_config(mode="dicts"))["SIMD Extensions"]
    return Machine(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        cpu_model=model or platform.processor() or platform.machine(),
        cpu_features=flags,
        numpy_features=tuple(extensions.get("baseline", [])) + tuple(extensions.get("found", [])),
        cores=len(os.sched_getaffinity(0)),
        threads=threads,
        environment={name: os.environ[name] for name in VARIABLES if name in os.environ},
    )


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def parse_cpuinfo(text: str) -> tuple[str, tuple[str, ...]]:
    """Return model name and sorted features of the first processor in the text of /proc/cpuinfo; empty if not given.
    Features are called `flags` on x86 and `Features` on ARM."""
    first, _, _ = text.partition("\n\n")
    entries: dict[str, str] = dict(re.findall(r"^(model name|flags|Features)\s*:\s*(.*)$", first, re.MULTILINE))
    flags = entries.get("flags") or entries.get("Features", "")
    return entries.get("model name", ""), tuple(sorted(flags.split()))


def git_state() -> Git | None:
    """Return the state of the repository that holds this source; None without one or without git. A repository around
    the folder of an installation is another project's."""
    folder, name = Path(__file__).parent, Path(__file__).name
    questions = (("ls-files", "--error-unmatch", name), ("rev-parse", "HEAD"), ("status", "--porcelain"))
    try:
        _, commit, changes = (
            subprocess.run(["git", "-C", folder, *question], capture_output=True, check=True) for question in questions
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return Git(commit=commit.stdout.decode().strip(), dirty=bool(changes.stdout.strip()))
