"""Errors of a user's code in one line: what was raised, and where."""

import os
import sysconfig
import traceback
from pathlib import Path

from emulator.core.sources import PACKAGES

STANDARD = tuple({os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")})
INSTALLED = {"site-packages", "dist-packages"}  # folders of packages, of whatever environment
OURS = tuple(str(Path(os.path.realpath(__file__)).parents[1] / name) + os.sep for name in PACKAGES)


def in_one_line(error: BaseException) -> str:
    """Return an error's class and text with the file and line in the user's code, or where it was raised."""
    shown = str(traceback.TracebackException(type(error), error, None))  # safe if the error's own text raises
    text = f"{type(error).__name__}: {' '.join(shown.split())}"
    if isinstance(error, SyntaxError):  # its text has file and line
        return text
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    of_user = [frame for frame in frames if _is_of_user(os.path.realpath(frame.filename))]
    if not of_user:
        return text
    return f"{text}, raised at {of_user[-1].filename}:{of_user[-1].lineno}"


def import_failure(kind: str, error: BaseException) -> str:
    """Return an error of importing or making what `module:Class` names in one line, with the remedy for a module that
    has the name of one of our packages."""
    package = kind.partition(":")[0].partition(".")[0]
    hint = f"; {package} is a package of airsplit: rename yours" if package in PACKAGES else ""
    return f"{in_one_line(error)}{hint}"


def _is_of_user(file: str) -> bool:
    return not file.startswith((*STANDARD, *OURS)) and not INSTALLED & set(Path(file).parts)
