"""The language models of a scenario: settings, files and digests of each source. Imports no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulator.core.files import file_sha256
from topologies.models.language.gguf_conversion import CONVERSION, convert, settings_of_gguf
from topologies.models.language.hub import downloaded
from topologies.models.language.model_folder import ModelFolder
from topologies.models.language.packages import PACKAGES, packaged_folder
from topologies.models.model_cache import kept_folder
from topologies.schema.models import ModelSection


def settings_of(section: ModelSection, base: Path) -> Mapping[str, Any]:
    """Return the settings of a source's architecture; relative folders start from `base`. No weights are read, and a
    package need not be installed.

    Raises ValueError, one line, for a model that cannot be used, MissingDependency for one that is out of reach.
    """
    if section.package is not None:
        return PACKAGES[section.package].settings
    path = _path_of(section, base)
    gguf = _gguf_of(path)
    return ModelFolder(path).config if gguf is None else settings_of_gguf(gguf)


def folder_of(section: ModelSection, base: Path) -> ModelFolder:
    """Return the folder with the source's safetensors; a GGUF file is converted at the first call. Raises as
    `settings_of`, and ValueError if the files are not those that the section states (`sha256`)."""
    if section.package is not None:
        return packaged_folder(section.package)
    path = _path_of(section, base)
    if section.sha256 and (changed := section.sha256.items() - digests_of(section, base).items()):
        raise ValueError(f"{path / min(changed)[0]}: must have the stated SHA-256")
    gguf = _gguf_of(path)
    if gguf is None:
        return ModelFolder(path)
    return ModelFolder(kept_folder(f"gguf-{file_sha256(gguf)[:32]}-{CONVERSION}", lambda made: convert(gguf, made)))


def digests_of(section: ModelSection, base: Path) -> Mapping[str, str]:
    """Return the SHA-256 of the source's weights, tokenizer and settings, by the names of the files. Raises as
    `settings_of`."""
    if section.package is not None:
        return PACKAGES[section.package].digests
    path = _path_of(section, base)
    gguf = _gguf_of(path)
    return ModelFolder(path).digests() if gguf is None else {gguf.name: file_sha256(gguf)}


def _path_of(section: ModelSection, base: Path) -> Path:
    return downloaded(section.hub, section.revision) if section.hub is not None else base / (section.folder or "")


def _gguf_of(path: Path) -> Path | None:
    """Return the GGUF file that a path means: the file itself, or the only one in a folder without safetensors."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise ValueError(f"folder={path}: must be an existing folder, or a GGUF file")
    found = sorted(file for file in path.glob("*.gguf") if file.is_file())
    if not found or any(path.glob("*.safetensors")):
        return None
    if len(found) > 1:
        raise ValueError(f"folder={path}: must name one of its GGUF files, such as {found[0].name}")
    return found[0]
