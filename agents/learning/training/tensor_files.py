"""Files of arrays with plain data: safetensors with JSON in the header. Never a pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from emulator.core.files import atomic_write

UNREADABLE = (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError)  # errors of damaged files


def save_tensors(path: Path, key: str, arrays: Mapping[str, npt.NDArray[Any]], data: Mapping[str, Any]) -> None:
    """Write arrays and, as JSON under `key` in the header, data; atomically: a reader sees the file before or after.
    Raises ValueError with path and rule if it cannot be written."""
    if not path.parent.is_dir():
        raise ValueError(f"{path}: folder must exist")
    try:
        with atomic_write(path) as partial:
            contiguous = {name: np.array(values, order="C") for name, values in arrays.items()}
            # The library's own writing leaves a file of another name behind if it is killed.
            partial.write_bytes(save(contiguous, metadata={key: json.dumps(data)}))
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path}: must be a file that can be written ({first_line(error)})") from error


def load_tensors(path: Path, key: str) -> tuple[dict[str, npt.NDArray[Any]], Any]:
    """Read arrays and data that `save_tensors` wrote under `key`. Raises one of UNREADABLE for any other file."""
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        return arrays, json.loads((file.metadata() or {})[key])


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or its class if it has none."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
