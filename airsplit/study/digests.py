"""Digests of the parts of a study: equal ones promise equal outcomes."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from emulator.core.files import file_sha256
from emulator.core.sources import package_sha256, versions_now
from topologies.loading.contents import contents_sha256
from topologies.schema.scenario import Scenario
from topologies.user_modules import stored_files

FORMAT = 1
SEEDS = ("seed", "channel_seed")
NOT_SIMULATED = ("policies", "training")  # sections that a system does not depend on
CODE = ("emulator", "topologies", "agents")  # packages that an outcome depends on
LIBRARIES = ("python", "llvmlite", "numba", "numpy", "scipy", "torch", "transformers")


def digest(*data: object) -> str:
    """Return the digest of plain data, with that of the code and the libraries that an outcome depends on.

    The processor is not in it: a study can go on on another machine, and its manifest names them all.
    """
    return hashlib.sha256(json.dumps([FORMAT, _code_sha256(), *data], sort_keys=True).encode()).hexdigest()


@cache
def _code_sha256() -> str:
    versions = versions_now()
    return " ".join([*map(package_sha256, CODE), *(f"{name} {versions[name]}" for name in LIBRARIES)])


def system_contents(scenario: Scenario, home: Path) -> str:
    """Return a digest of all that the system of a scenario depends on, but for its seeds."""
    return contents_sha256(scenario, home, (*SEEDS, *NOT_SIMULATED))


def system_sha256(contents: str, scenario: Scenario) -> str:
    """Return the digest of a system from `system_contents`, with the seeds of the scenario."""
    return digest("system", contents, scenario.seed, scenario.seed_of_channels)


def policy_contents(section: Any, home: Path) -> str:
    """Return a digest of a policy's section, of its file and of the user's modules."""
    named = (getattr(section, key, None) for key in ("file", "checkpoint"))
    files = [home / name for name in named if name is not None] + list(stored_files(section.type, home).values())
    sums = [file_sha256(path) for path in files]
    return hashlib.sha256(" ".join([section.model_dump_json(), *sums]).encode()).hexdigest()
