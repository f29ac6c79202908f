"""The folder of a run: created once, never overwritten, and a run once it has a manifest."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path

from emulator.core.files import require_new_files
from results.run.manifest import LATER_FILES, Manifest, digests, load_manifest

SUBFOLDERS = ("traces", "checkpoints", "figures")
PLAIN_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Run:
    """A run's folder and its manifest. Until the records are complete, the folder does not hold the manifest."""

    path: Path
    manifest: Manifest


def require_run_folders(root: Path, scenario_name: str) -> None:
    """Create `root/<scenario>/` for the folders of runs. Raises ValueError if `scenario_name` cannot name a folder, and
    OSError with the path if the folder cannot be created or takes no new files."""
    _require_plain(scenario_name)
    (root / scenario_name).mkdir(parents=True, exist_ok=True)
    require_new_files(root / scenario_name)


def create_run_folder(root: Path, scenario_name: str, digest: str) -> Path:
    """Create `root/<scenario>/<UTC>-<first 8 of digest>/` with its sub-folders, and return it.

    If the name is taken, appends `-2`, `-3`, ... Raises ValueError if `scenario_name` cannot name a folder.
    """
    _require_plain(scenario_name)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{digest[:8]}"
    (root / scenario_name).mkdir(parents=True, exist_ok=True)
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    folder = next(filter(_created, (root / scenario_name / name for name in names)))
    for subfolder in SUBFOLDERS:
        (folder / subfolder).mkdir()
    return folder


def _require_plain(scenario_name: str) -> None:
    if not PLAIN_NAME.fullmatch(scenario_name):
        raise ValueError(f"name={scenario_name!r}: must be letters, digits, '.', '_' and '-', a letter or digit first")


def _created(folder: Path) -> bool:
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def open_run(path: Path) -> Run:
    """Open a run. Raises ValueError (one line) if its manifest is missing or damaged, or if a file that the
    manifest names is missing."""
    if not path.is_dir():
        raise ValueError(f"{path}: must be the folder of a run")
    if not (path / "manifest.json").is_file():
        raise ValueError(f"{path}: must hold manifest.json: the run did not finish")
    manifest = load_manifest(path / "manifest.json")
    for name in manifest.files:
        if not (path / name).is_file():
            raise ValueError(f"{path / name}: must be there: manifest.json names it")
    return Run(path, manifest)


def verify(run: Run) -> None:
    """Raise ValueError, naming the digest, unless every digest in the manifest equals that of its file. A bound or
    sensitivity that the manifest does not name yet is none: it is made again."""
    recorded, found = run.manifest.by_name, digests(run.path).by_name
    unfinished = {f"data_sha256 of {name}" for name in LATER_FILES if name not in run.manifest.data_sha256}
    for name in sorted((recorded.keys() | found.keys()) - unfinished):
        before, now = recorded.get(name, "none"), found.get(name, "none")
        if before != now:
            raise ValueError(f"{run.path}: {name} is {now[:12]}, must be {before[:12]} as in manifest.json")
