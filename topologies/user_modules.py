"""Modules of a user's own, named `module:Class` in a scenario: found beside the scenario, and stored with a run."""

import hashlib
import importlib
import sys
import sysconfig
from contextlib import suppress
from importlib.machinery import PathFinder
from modulefinder import ModuleFinder
from pathlib import Path
from types import ModuleType
from typing import IO, Any, NamedTuple

from emulator.core.sources import PACKAGES

MODULES_FOLDER = "modules"  # of a run's folder
INSTALLED = ("site-packages", "dist-packages")
NOTE = "__own_module__"  # name, in a module that was loaded here, of its `Loaded`


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


class Loaded(NamedTuple):
    """What a module in memory was loaded from: the folder, and the digest of the sources at that time."""

    root: Path
    sha256: str


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
    with suppress(ImportError):  # raised again by the import, if it happens then too
        finder.import_hook(name)
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
    _forget_others(own)
    if own is None:
        return getattr(importlib.import_module(name), attribute)
    loaded, now = sys.modules.get(name), Loaded(own.root, own.sha256)
    is_current = loaded is not None and vars(loaded).get(NOTE, now) == now
    if loaded is None or not is_current or Path(loaded.__file__ or "").resolve() != own.files.get(name):
        loaded = _imported(name, own, now)
        if name not in own.files:
            raise ImportError(f"{name}: each folder must have a file __init__.py")
    return getattr(loaded, attribute)


def _forget_others(own: OwnModule | None) -> None:
    """Forget the modules that were loaded here from another folder: they may have the names of this one's."""
    for key, module in list(sys.modules.items()):
        note = getattr(module, "__dict__", {}).get(NOTE)
        if note is not None and (own is None or note.root != own.root):
            del sys.modules[key]


def _imported(name: str, own: OwnModule, note: Loaded) -> ModuleType:
    """Import a module and all that it imports of the same folder, also in functions; leave no compiled files beside the
    sources. Modules of others that have the names of these are in their places again afterwards."""
    replaced = {key: sys.modules.pop(key) for key in own.files if key in sys.modules}
    writes_nothing = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(own.root))
    try:
        loaded = importlib.import_module(name)
        for key in own.files:
            with suppress(Exception):  # of a module that may never be needed
                vars(importlib.import_module(key))[NOTE] = note
        return loaded
    finally:
        sys.path.remove(str(own.root))
        sys.dont_write_bytecode = writes_nothing
        others = {key: each for key, each in replaced.items() if not _is_in(own.root, each)}
        sys.modules.update(others)


def _is_in(root: Path, module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve().is_relative_to(root)


def stored_files(kind: str, folder: Path) -> dict[str, Path]:
    """Return the sources to store with a run that uses `module:Class`, by their paths in the run's folder."""
    own = own_module(kind.partition(":")[0], folder)
    if own is None:
        return {}
    return {f"{MODULES_FOLDER}/{path.relative_to(own.root).as_posix()}": path for path in own.files.values()}
