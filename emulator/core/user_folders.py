"""The user's folders for what a later process can use again, and whether what lies there can be trusted."""

import os
from pathlib import Path

VARIABLE = "AIRSPLIT_CACHE"  # names a folder instead of ours in the user's cache directory


def cache_in_home() -> Path:
    """Return our folder in the user's cache directory, which may not exist. Raises RuntimeError if HOME is not set and
    the user has no entry in passwd."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "airsplit"


def is_own(folder: Path) -> bool:
    """Return whether only this user can have written to an existing folder."""
    state = folder.lstat()
    return state.st_uid == os.geteuid() and folder.is_dir() and not state.st_mode & 0o002 and not folder.is_symlink()
