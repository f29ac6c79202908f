"""The manifest of a study: what its rows are, and where they were made."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from emulator.core.files import atomic_write
from results.run.machine import Git, Machine
from results.run.manifest import Frozen

MANIFEST_FILE = "study.json"


class StudyManifest(Frozen):
    """`study_sha256` is over the rows of all finished cells in canonical order. `cells` were planned, `failed` of them
    failed. `seeds`: by the column of the table of cells. `policies`: types by label. `agents`: SHA-256 of the trained
    weights by the training's digest. `machines`: those on which the folder was written."""

    format: Literal[1] = 1
    name: str
    file: str
    scenario: str
    cells: int
    failed: int
    study_sha256: str
    seeds: dict[str, tuple[int, ...]]
    policies: dict[str, str]
    agents: dict[str, str]
    command: tuple[str, ...]
    started: datetime
    finished: datetime
    versions: dict[str, str]
    git: Git | None
    source_sha256: str
    machines: tuple[Machine, ...]


def write_study_manifest(folder: Path, manifest: StudyManifest) -> None:
    """Write study.json. From then on the folder holds a study whose cells have all been run or have failed."""
    with atomic_write(folder / MANIFEST_FILE) as partial:
        partial.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_study_manifest(folder: Path) -> StudyManifest:
    """Read study.json. Raises ValueError (one line) if it is missing, or not as this version writes it."""
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise ValueError(f"{path}: must be there: the study did not finish; `airsplit study` goes on with it")
    try:
        return StudyManifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "content"
        raise ValueError(f"{path}: {where}: must be as airsplit writes it: {first['msg']}") from error
