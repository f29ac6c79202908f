"""Importing this module loads our packages, so that packages of other projects with the same names do not hide them.

`agents`, `results` and the others are plain words: a lab may have a package of that name on PYTHONPATH, or a folder of
that name in its working directory. `airsplit` imports this module before all others.
"""

import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]


def load(name: str) -> None:
    """Load our package `name`, whatever the path. Raises ImportError if another one was imported before."""
    file = ROOT / name / "__init__.py"
    if name in sys.modules:
        found = getattr(sys.modules[name], "__file__", None) or "a folder without __init__.py"
        if not file.is_file() or not Path(found).is_file() or not file.samefile(found):
            raise ImportError(f"package {name} of {ROOT}: {found} was imported instead; import airsplit before it")
        return
    spec = PathFinder.find_spec(name, [str(ROOT)])
    if spec is None or spec.loader is None:
        raise ImportError(f"package {name} of {ROOT} is missing; install airsplit anew")
    sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


def hidden_packages() -> Iterator[str]:
    """Yield the files of other projects that `import` would find in the place of our packages, but for this module."""
    for name in PACKAGES:
        spec = PathFinder.find_spec(name)
        if spec is not None and spec.has_location and spec.origin != str(ROOT / name / "__init__.py"):
            yield str(spec.origin)


load("emulator")

from emulator.core.sources import PACKAGES  # noqa: E402 (only now it is surely ours)

for package in PACKAGES:
    load(package)
