"""A language model in a folder, as Hugging Face stores it: config.json, tokenizer.json, safetensors. No torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from emulator.core.files import file_sha256
from topologies.models.language.config_file import read_config

CONFIG_FILE, TOKENIZER_FILE = "config.json", "tokenizer.json"
WEIGHTS_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"
MAX_INDEX_BYTES = 2**24
MAX_SHARDS = 4_096
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")


@dataclass(frozen=True)
class ModelFolder:
    """The folder of a language model."""

    path: Path

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The settings of the architecture. Raises ValueError, one line, for settings that cannot be used."""
        return read_config(self.path / CONFIG_FILE)

    @property
    def vocabulary(self) -> int:
        """The number of tokens that the model knows."""
        size: int = self.config["vocab_size"]
        return size

    @cached_property
    def weight_files(self) -> tuple[Path, ...]:
        """The safetensors files. Raises ValueError, one line, if there is none or one is missing."""
        if (self.path / WEIGHTS_FILE).is_file():
            return (self.path / WEIGHTS_FILE,)
        if (self.path / INDEX_FILE).is_file():
            return _shards(self.path / INDEX_FILE)
        pickles = sorted(path.name for pattern in PICKLES for path in self.path.glob(pattern))
        if pickles:
            raise ValueError(
                f"{self.path / pickles[0]}: must be a safetensors file: a pickle runs code when it is read"
            )
        raise ValueError(f"{self.path / WEIGHTS_FILE}: must be an existing file")

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of the files that an answer depends on, by their names."""
        files = [self.path / CONFIG_FILE, self.path / TOKENIZER_FILE, *self.weight_files]
        return {path.name: file_sha256(path) for path in files if path.is_file()}


def _shards(index: Path) -> tuple[Path, ...]:
    """Return the files that an index names. Raises ValueError for an index that names none, or others than its
    neighbours."""
    if index.stat().st_size > MAX_INDEX_BYTES:
        raise ValueError(f"{index}: must be at most {MAX_INDEX_BYTES} bytes")
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{index}: must be JSON with a weight_map of files by tensor") from None
    if not 1 <= len(names) <= MAX_SHARDS:
        raise ValueError(f"{index}: weight_map: must name 1 to {MAX_SHARDS} files")
    for name in names:
        is_neighbour = isinstance(name, str) and name.endswith(".safetensors") and Path(name).name == name
        if not is_neighbour or not (index.parent / name).is_file():
            raise ValueError(f"{index}: weight_map={str(name)[:80]}: must be a safetensors file beside it")
    return tuple(index.parent / name for name in names)
