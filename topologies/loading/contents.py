"""Digest of all that a scenario says and names."""

import hashlib
from collections.abc import Collection
from pathlib import Path

from emulator.core.files import file_sha256
from topologies.build.run_inputs import input_files
from topologies.loading.file_checks import named_files
from topologies.schema.scenario import Scenario


def contents_sha256(scenario: Scenario, folder: Path, ignored: Collection[str] = ()) -> str:
    """Return a digest of a scenario and of all files that it names or uses, without the sections that are ignored."""
    digest = hashlib.sha256(scenario.model_dump_json(exclude=set(ignored)).encode())
    for place, file in named_files(scenario, folder):
        if place.partition("[")[0] not in ignored:
            digest.update(f" {place} {file_sha256(folder / file)}".encode())
    kept = scenario.model_copy(update={"policies": ()}) if "policies" in ignored else scenario
    for place, path in input_files(kept, folder).items():
        digest.update(f" {place} {file_sha256(path)}".encode())
    return digest.hexdigest()
