"""The weights of a language model in the safetensors files of its folder, layer by layer."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from topologies.models.language.architecture import LayerNames

FLOATS = ("F64", "F32", "F16", "BF16")  # integers and floats of 8 bits mean something only with their scales
BASE_PREFIXES = ("model.", "transformer.")  # left out in files of a model without its head


class StoredWeights:
    """The tensors of each layer of a model, by their names in the layer (`ModelPlan.weights`).

    Tensors of the right type are mapped from the file, so that several processes share the memory.
    """

    def __init__(self, files: Callable[[], tuple[Path, ...]], names: LayerNames, dtype: torch.dtype) -> None:
        """`files` finds the safetensors files at the first use; `names`: see `language_plan`."""
        self._find_files, self._names, self._dtype = files, names, dtype

    def __call__(self, index: int) -> Mapping[str, Tensor]:
        """Return the tensors of a layer. Raises ValueError, one line, for one that is in no file, stored twice or not
        in floating point, and for a file that is no safetensors file."""
        found = {}
        for name, stored in self._names[index].items():
            opened, key = self._place(stored)
            if (kind := opened.get_slice(key).get_dtype()) not in FLOATS:
                rule = f"must be of type {', '.join(FLOATS)}, not {kind}"
                raise ValueError(f"{self._files[0].parent}: tensor {key}: {rule}")
            found[name] = opened.get_tensor(key).to(self._dtype)
        return found

    def _place(self, name: str) -> tuple[Any, str]:
        known = dict.fromkeys((name, *(name.removeprefix(prefix) for prefix in BASE_PREFIXES)))
        found = [key for key in known if key in self._opened]
        if len(found) != 1:
            rule = f"must not be given as {found[-1]} as well" if found else "must be in a file"
            raise ValueError(f"{self._files[0].parent}: tensor {name}: {rule}")
        return self._opened[found[0]], found[0]

    @cached_property
    def _files(self) -> tuple[Path, ...]:
        return self._find_files()

    @cached_property
    def _opened(self) -> dict[str, Any]:
        """The open file of each tensor."""
        opened: dict[str, Any] = {}
        for path in self._files:
            try:
                file: Any = safe_open(path, "pt")
            except (SafetensorError, OSError) as error:
                reason = " ".join(str(error).split())[:200]
                raise ValueError(f"{path}: must be a safetensors file: {reason}") from None
            own = dict.fromkeys(file.keys(), file)
            if twice := own.keys() & opened.keys():
                raise ValueError(f"{path}: tensor {min(twice)}: must be in one file alone")
            opened |= own
        return opened
