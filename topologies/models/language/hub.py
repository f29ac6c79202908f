"""Language models of the Hugging Face Hub, downloaded once. Files that can run code are never fetched."""

import shutil
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import quote

from emulator.core.errors import MissingDependency
from topologies.models.language.model_folder import CONFIG_FILE, INDEX_FILE, TOKENIZER_FILE
from topologies.models.model_cache import kept_folder

DEFAULT_REVISION = "main"
TIMEOUT_S = 10.0


def downloaded(name: str, revision: str | None) -> Path:
    """Return the folder of a model of the Hub. What was downloaded once is used again, also without a network.

    Raises MissingDependency, one line, if the Hub cannot be reached; ValueError if it has no such model, or none that
    is stored as safetensors or as a single GGUF file.
    """
    revision = revision or DEFAULT_REVISION
    folder = f"hub-{quote(name, safe='')}-{quote(revision, safe='')}"
    return kept_folder(folder, lambda made: _download(name, revision, made))


def _download(name: str, revision: str, folder: Path) -> None:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        found = HfApi().model_info(name, revision=revision, timeout=TIMEOUT_S)
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise ValueError(f"hub={name}: must be a model of the Hugging Face Hub with the revision {revision}") from None
    except Exception as error:  # of the HTTP library too, which is not declared
        raise _unreachable(name, error) from None
    wanted = _wanted(name, [each.rfilename for each in found.siblings or ()])
    try:
        snapshot_download(name, revision=found.sha, local_dir=folder, allow_patterns=wanted)
    except Exception as error:
        raise _unreachable(name, error) from None
    shutil.rmtree(folder / ".cache", ignore_errors=True)


def _unreachable(name: str, error: Exception) -> MissingDependency:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return MissingDependency(f"hub={name}: cannot be downloaded: {reason}; or name its folder: {{folder: PATH}}")


def _wanted(name: str, files: list[str]) -> list[str]:
    """Return which files to download. Raises ValueError if there are no weights that can be read."""
    weights = [file for file in files if fnmatch(file, "*.safetensors") and "/" not in file]
    ggufs = [file for file in files if fnmatch(file, "*.gguf") and "/" not in file]
    if not weights and len(ggufs) != 1:
        raise ValueError(f"hub={name}: must have safetensors, or a single GGUF file; pickles are never read")
    return [*(file for file in (CONFIG_FILE, TOKENIZER_FILE, INDEX_FILE) if file in files), *(weights or ggufs)]
