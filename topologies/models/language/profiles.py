"""Profiles of language models by their settings, taken once: a simulation then imports no torch."""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from topologies.models.model_cache import kept_folder
from topologies.profiles import save_profile

PROFILE_FILE = "profile.json"
PROFILE_VERSION = 1  # raised when profiles of the same settings change


def cached_profile(name: str, settings: Mapping[str, Any], dtype: str) -> Path:
    """Return the file of the profile of a model with these settings, under this name. Raises ValueError, one line, for
    settings that do not fit together."""
    inputs = [PROFILE_VERSION, version("torch"), version("transformers"), name, dtype, dict(settings)]
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()

    def fill(folder: Path) -> None:
        from topologies.models.language.architecture import configuration_of, language_plan
        from topologies.models.profiling import profile_of

        save_profile(profile_of(language_plan(name, configuration_of(settings), dtype)), folder / PROFILE_FILE)

    return kept_folder(f"profile-{digest[:32]}", fill) / PROFILE_FILE
