"""Modules of a user's own, named `module:Class` in a scenario: found beside the scenario, and stored with a run."""

import hashlib
import importlib
import sys
import sysconfig
from importlib.machinery import PathFinder
from modulefinder import ModuleFinder
from pathlib import Path
from types import ModuleType
from typing import IO, Any, NamedTuple

from emulator.core.sources import PACKAGES

MODULES_FOLDER = "modules"  # of a run's folder
INSTALLED = ("site-packages", "dist-packages")
NOTE = "__sources_sha256__"  # name, in a module that was loaded here, of the digest of its sources


class OwnModule(NamedTuple):
    """A module that is not installed: the folder that it is imported from, and the files of the module and of what it
    imports from there, by name."""

    root: Path
    files: dict[str, Path]

    @property
    def sha256(self) -> str:
        """Digest of all sources and their paths."""
        contents = (path.as_posix().encode() + path.read_bytes() for path in self.files.values())
        return hashlib.sha256(b"\0".join(contents)).hexdigest()


def own_module(name: str, folder: Path) -> OwnModule | None:
    """Return the module of a name as found from a scenario in `folder`, or None for one that is installed, part of
    Python or of airsplit, or not there.

    It is searched for in `modules` beside the scenario, where runs store it, then beside the scenario, then where
    Python looks. Raises SyntaxError if it is not Python.
    """
    importlib.invalidate_caches()  # a file may be newer than the list of its folder
    package = name.partition(".")[0]
    spec = PathFinder.find_spec(package, [str(folder / MODULES_FOLDER), str(folder), *sys.path])
    if package in (*PACKAGES, "__main__") or spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).resolve().parents[0 if spec.submodule_search_locations is None else 1]
    if set(INSTALLED) & set(root.parts) or root.is_relative_to(Path(sysconfig.get_path("stdlib")).resolve()):
        return None
    finder = _Finder([str(root)], excludes=PACKAGES)
    try:
        finder.import_hook(name)
    except ImportError:
        return None
    files = ((key, vars(found)["__file__"]) for key, found in finder.modules.items())
    return OwnModule(root, {key: Path(file) for key, file in files if file})


class _Finder(ModuleFinder):
    """Finds what a module imports, without running it. Folders without `__init__.py` are not looked into."""

    def find_module(
        self, name: str, path: Any, parent: Any = None
    ) -> tuple[IO[Any] | None, str | None, tuple[str, str, int]]:
        try:
            return super().find_module(name, path, parent)
        except AttributeError as error:  # of the loader that such a folder lacks
            raise ImportError(name) from error


def load_class(kind: str, folder: Path) -> Any:
    """Return the class that `module:Class` names in a scenario in `folder`. A module of the user's own is imported anew
    if its sources have changed since, or another one of its name was imported. Raises what the module raises."""
    name, _, attribute = kind.partition(":")
    own = own_module(name, folder)
    if own is None:
        return getattr(importlib.import_module(name), attribute)
    loaded, sha256 = sys.modules.get(name), own.sha256
    is_current = loaded is not None and vars(loaded).get(NOTE, sha256) == sha256
    if loaded is None or not is_current or Path(loaded.__file__ or "").resolve() != own.files[name]:
        loaded = _imported(name, own)
        vars(loaded)[NOTE] = sha256
    return getattr(loaded, attribute)


def _imported(name: str, own: OwnModule) -> ModuleType:
    """Import a module and what it imports of the same folder; leave no compiled files beside the sources."""
    for key in own.files:
        sys.modules.pop(key, None)
    writes_nothing = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(own.root))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(own.root))
        sys.dont_write_bytecode = writes_nothing


def stored_files(kind: str, folder: Path) -> dict[str, Path]:
    """Return the sources to store with a run that uses `module:Class`, by their paths in the run's folder."""
    own = own_module(kind.partition(":")[0], folder)
    if own is None:
        return {}
    return {f"{MODULES_FOLDER}/{path.relative_to(own.root).as_posix()}": path for path in own.files.values()}
