"""The sources of this project, wherever they are: their digest, their version, and new processes that run them."""

import hashlib
import platform
import re
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]  # the folder that holds the packages
PACKAGES = ("agents", "airsplit", "emulator", "hil", "results", "topologies")
SUFFIXES = ("*.py", "*.json")  # code, and the tables that code reads when it is imported


@cache
def package_sha256(name: str) -> str:
    """Return the SHA-256 of a package's code and tables at the first call in this process."""
    digest = hashlib.sha256()
    folder = ROOT / name
    for path in sorted(path for suffix in SUFFIXES for path in folder.rglob(suffix)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()} {len(content)} ".encode() + content)
    return digest.hexdigest()


def sources_sha256() -> str:
    """Return the SHA-256 of all packages, whatever folder they are installed in."""
    return hashlib.sha256(" ".join(map(package_sha256, PACKAGES)).encode()).hexdigest()


def own_process(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this project with arguments. It runs ours even where the working folder
    or PYTHONPATH has a package of the same name."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
    code += f"import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    return [sys.executable, "-c", code, *arguments]


def own_version() -> str:
    """Return the version of airsplit: of the installed package, or of the source tree if it is not installed."""
    try:
        return metadata.version("airsplit")
    except metadata.PackageNotFoundError:
        return str(_project().get("version", "not installed"))


def own_requirements() -> list[str]:
    """Return the requirements of airsplit, without those of its extras; none if they are not known."""
    try:
        return [line for line in metadata.requires("airsplit") or [] if "extra ==" not in line]
    except metadata.PackageNotFoundError:
        return list(_project().get("dependencies", []))


def versions_now() -> dict[str, str]:
    """Return the versions of Python, of airsplit and of the libraries that it requires."""
    declared = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in own_requirements()]
    versions = {"python": platform.python_version(), "airsplit": own_version()}
    return versions | {name: installed_version(name) for name in sorted({"llvmlite", *declared})}


def installed_version(name: str) -> str:
    """Return the version of a library, or `not installed`."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _project() -> dict[str, Any]:
    """Return the description of the project in the source tree; empty if there is none."""
    import tomllib

    file = ROOT / "pyproject.toml"
    described: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return dict(described.get("project", {}))
