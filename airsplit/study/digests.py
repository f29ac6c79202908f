"""Digests of the parts of a study: equal ones promise equal outcomes."""

import hashlib
import json
import platform
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from emulator.core.files import file_sha256
from emulator.core.sources import PACKAGES, installed_version, package_sha256
from topologies.loading.contents import contents_sha256
from topologies.schema.policies import CustomSection
from topologies.schema.scenario import Scenario
from topologies.user_modules import stored_files

FORMAT = 1
SEEDS = ("seed", "channel_seed")
NOT_SIMULATED = ("policies", "training")  # sections that a system does not depend on
CODE = ("emulator", "topologies", "agents", "results", "airsplit/study")  # what makes rows, agents and facts
LIBRARIES = (
    "llvmlite", "numba", "numpy", "scipy", "torch", "transformers", "onnxruntime", "stable-baselines3", "sb3-contrib",
    "pandas", "pyarrow", "safetensors",
)  # fmt: skip


def digest(*data: object) -> str:
    """Return the digest of plain data, with that of the code and the libraries that an outcome depends on.

    The processor is not in it: a study can go on on another machine, and its manifest names them all.
    """
    return hashlib.sha256(json.dumps([FORMAT, _code_sha256(), *data], sort_keys=True).encode()).hexdigest()


@cache
def _code_sha256() -> str:
    versions = (f"{name} {installed_version(name)}" for name in LIBRARIES)
    return " ".join([*map(package_sha256, CODE), f"python {platform.python_version()}", *versions])


def system_contents(scenario: Scenario, home: Path) -> str:
    """Return a digest of all that the system of a scenario depends on, but for its seeds."""
    return contents_sha256(scenario, home, (*SEEDS, *NOT_SIMULATED))


def system_sha256(contents: str, scenario: Scenario) -> str:
    """Return the digest of a system from `system_contents`, with the seeds of the scenario."""
    return digest("system", contents, scenario.seed, scenario.seed_of_channels)


def policy_contents(section: Any, home: Path) -> str:
    """Return a digest of a policy's section, of its file, of the modules of its class, and of the files that its
    options name."""
    named = (getattr(section, key, None) for key in ("file", "checkpoint"))
    files = [home / name for name in named if name is not None]
    if isinstance(section, CustomSection):
        files += list(stored_files(section.type, home).values()) or _installed_files(section.type)
        files += [path for text in _texts(section.options) for path in (home / text, Path(text)) if _is_file(path)]
    sums = [file_sha256(path) for path in files]
    return hashlib.sha256(" ".join([section.model_dump_json(), *sums]).encode()).hexdigest()


def _installed_files(kind: str) -> list[Path]:
    """Return the sources of the installed package that has the class `module:Class`; none of one of this project."""
    package = kind.partition(":")[0].partition(".")[0]
    spec = None if package in PACKAGES else find_spec(package)
    if spec is None or spec.origin is None:
        return []
    origin = Path(spec.origin)
    return [origin] if spec.submodule_search_locations is None else sorted(origin.parent.rglob("*.py"))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a text that is no path: too long, or with a null character
        return False


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
