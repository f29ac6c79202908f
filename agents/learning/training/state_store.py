"""The file from which a training that was interrupted goes on."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from agents.learning.training.state import Arrays, TrainingState
from agents.learning.training.tensor_files import UNREADABLE, first_line, load_tensors, save_tensors

METADATA_KEY = "airsplit.training"  # in the file's header
REMEDY = "leave --resume out to train from the start"


class StateStore:
    """Keeps a training's last state in a file, replaced at most every `every_s` seconds.

    `inputs`, plain data, is what the training depends on besides its agent, seed and settings. If `resume`, the
    training goes on from the file; otherwise the file is replaced. Raises ValueError (one line) with path and remedy if
    there is nothing to resume.
    """

    def __init__(self, path: Path, inputs: Mapping[str, Any], resume: bool = False, every_s: float = 10.0) -> None:
        self.path, self.resume = path, resume
        self._inputs, self._every_s = inputs, every_s
        self._saved_s = time.monotonic()
        if resume and not path.is_file():
            raise ValueError(f"{path}: must be the state of a training that was interrupted: {REMEDY}")

    def load(self, description: Mapping[str, Any]) -> TrainingState:
        """Return the stored state. Raises ValueError (one line) with path and remedy if it is damaged, or of a training
        that differs in `description` or `inputs`."""
        try:
            arrays, header = load_tensors(self.path, METADATA_KEY)
            found, data = dict(header["description"]), dict(header["data"])
            if header["sha256"] != _sha256(arrays, found, data):
                raise ValueError("its values have changed")
        except UNREADABLE as error:
            raise self.unusable(first_line(error)) from error
        wanted = self._described(description)
        differing = sorted(name for name in {**wanted, **found} if wanted.get(name) != found.get(name))
        if differing:
            raise ValueError(f"{self.path}: must be of the same training; {', '.join(differing)} differ: {REMEDY}")
        return TrainingState(arrays, data)

    def unusable(self, reason: str) -> ValueError:
        """Return the error of a file that is damaged or of another form."""
        return ValueError(f"{self.path}: must be a training's state that airsplit wrote ({reason}): {REMEDY}")

    def is_due(self) -> bool:
        """Return whether it is time to save."""
        return time.monotonic() - self._saved_s >= self._every_s

    def save(self, description: Mapping[str, Any], state: TrainingState) -> None:
        """Replace the file. Raises ValueError if it cannot be written."""
        described = self._described(description)
        digest = _sha256(state.arrays, described, state.data)
        header = {"description": described, "data": state.data, "sha256": digest}
        save_tensors(self.path, METADATA_KEY, state.arrays, header)
        self._saved_s = time.monotonic()

    def _described(self, description: Mapping[str, Any]) -> dict[str, Any]:
        described: dict[str, Any] = json.loads(json.dumps({**description, **self._inputs}))
        return described


def _sha256(arrays: Arrays, description: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """Return the digest of a state: a changed value would train another agent, without a word."""
    digest = hashlib.sha256(json.dumps([description, data]).encode())
    for name in sorted(arrays):
        digest.update(f" {name} {arrays[name].dtype} {arrays[name].shape} ".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
