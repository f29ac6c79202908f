"""A trained agent as a file: weights, layout of inputs and outputs, and training. Never a pickle."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from agents.learning.training.tensor_files import UNREADABLE, first_line, load_tensors, save_tensors
from agents.split_inference.encoding import Layout
from emulator.core.arrays import Float32s
from emulator.system import System
from emulator.trace import Interval

METADATA_KEY = "airsplit.checkpoint"  # in the file's header


class Training(NamedTuple):
    """The training of the weights: the traces of the systems of training and validation by SHA-256 and by lineage, and
    the library (with its version) and thread count that a repetition needs for the same weights."""

    agent: str
    seed: int
    settings: Mapping[str, Any]
    trace_sha256: tuple[str, ...]
    lineage: tuple[Interval, ...]
    library: str
    threads: int


@dataclass(frozen=True)
class Checkpoint:
    """An actor's weights by name (`actor.0.weight`, ...), their layout, and their training."""

    weights: Mapping[str, Float32s]
    layout: Layout
    training: Training

    @property
    def sha256(self) -> str:
        """Digest of the weights' names, shapes and values and of the layout; not of how they were trained."""
        digest = hashlib.sha256(json.dumps(self.layout.as_data()).encode())
        for name in sorted(self.weights):
            values = np.ascontiguousarray(self.weights[name], dtype="<f4")
            digest.update(f" {name} {values.shape} ".encode())
            digest.update(values.tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write a safetensors file atomically, with layout and training as JSON in its header. Raises ValueError with
        path and rule if it cannot be written."""
        header = {"layout": self.layout.as_data(), "training": self.training._asdict(), "sha256": self.sha256}
        save_tensors(path, METADATA_KEY, self.weights, header)

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Read a file that `save` wrote. Raises ValueError with path and rule if it is not such a file or its values
        have changed."""
        try:
            weights, header = load_tensors(path, METADATA_KEY)
            training = header["training"]
            training["lineage"] = tuple(Interval(*interval) for interval in training["lineage"])
            training["trace_sha256"] = tuple(training["trace_sha256"])
            checkpoint = cls(weights, Layout.from_data(header["layout"]), Training(**training))
            stored = header["sha256"]
            if not isinstance(stored, str):
                raise TypeError("sha256 is no text")
        except UNREADABLE as error:
            raise ValueError(f"{path}: must be a checkpoint that airsplit wrote ({first_line(error)})") from error
        if checkpoint.sha256 != stored:
            raise ValueError(f"{path}: sha256 {checkpoint.sha256[:12]} must be the stored {stored[:12]}")
        return checkpoint


def require_unseen(checkpoint: Checkpoint, system: System) -> None:
    """Raise ValueError if the training's traces and the system's have an interval of a source in common."""
    trained = defaultdict(list)
    for used in checkpoint.training.lineage:
        trained[used.source].append(used)
    for link in system.links:
        for tested in link.trace.lineage:
            if any(used.overlaps(tested) for used in trained.get(tested.source, ())):
                raise ValueError(
                    f"{checkpoint.training.agent}: trace {link.source}-{link.target}: must share no lineage with "
                    f"the training's ({tested.source[:12]})"
                )
