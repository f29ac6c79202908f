"""Networks in ONNX, computed by onnxruntime (optional: `airsplit[onnx]`). Such a file holds no code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from agents.foreign.best_choice import Scorer, layout_by_size, require_choices
from agents.user_errors import in_one_line
from emulator.core.arrays import Flags, Float32s
from emulator.core.errors import MissingDependency
from emulator.system import System

FLOATS: Mapping[str, type] = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
MASKS: Mapping[str, type] = {**FLOATS, "tensor(bool)": np.bool_, "tensor(int64)": np.int64}
ERRORS_ONLY = 3  # of the runtime's levels of messages


def load_network(file: Path, options: Mapping[str, Any], system: System) -> Scorer:
    """Load a network for a system. `options`: those of `OnnxSection`.

    The network takes features, shape (1, features), perhaps a mask, (1, choices), and gives scores, (1, choices). It is
    tried once. Raises ValueError, one line, for any other file, MissingDependency without onnxruntime.
    """
    session = _open(file)
    given = {each.name: each for each in session.get_inputs()}
    first = _one_of(file, "input", options["input"], list(given))
    others = [name for name in given if name != first]
    if options["mask_input"] is None and not others:
        taken = {first: FLOATS}
    else:
        taken = {first: FLOATS, _one_of(file, "mask_input", options["mask_input"], others): MASKS}
    if given.keys() != taken.keys():
        raise ValueError(f"file={file}: must have inputs for features and mask alone, not {', '.join(given)}")
    output = _one_of(file, "output", options["output"], [each.name for each in session.get_outputs()])
    layout = layout_by_size(file, options["environment"], _width(file, given[first]), system)
    types = [_number_type(file, given[name], allowed) for name, allowed in taken.items()]
    ranks = [len(given[name].shape) for name in taken]

    def scores(features: Float32s, mask: Flags) -> Float32s:
        fed: dict[str, Any] = {}
        for name, values, kind, rank in zip(taken, (features, mask), types, ranks, strict=False):  # perhaps no mask
            fed[name] = values.astype(kind).reshape((1,) * (rank - 1) + (-1,))
        return np.asarray(session.run([output], fed)[0], dtype=np.float32).reshape(-1)

    try:
        tried = scores(np.zeros(layout.features, np.float32), np.ones(layout.choices, np.bool_))
    except Exception as error:  # the runtime has no common class of errors
        raise ValueError(f"file={file}: must run on {layout.features} features ({in_one_line(error)})") from error
    require_choices(file, layout, len(tried))
    return Scorer(scores, layout)


def _open(file: Path) -> Any:
    """Return a session of one thread, in which sums have one order."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependency("onnxruntime: must be installed: pip install 'airsplit[onnx]'") from error
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.log_severity_level = ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(file.read_bytes(), settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has no common class of errors
        rule = "must be a network in ONNX in one file (torch.onnx.export: external_data=False)"
        raise ValueError(f"file={file}: {rule} ({in_one_line(error)})") from error


def _one_of(file: Path, key: str, name: str | None, names: list[str]) -> str:
    """Return a name that the network has, by default its first one."""
    if name is None and names:
        return names[0]
    if name not in names:
        raise ValueError(f"{key}={name}: must be one of {', '.join(names) or 'none'}, which {file} has")
    return name


def _width(file: Path, given: Any) -> int:
    *rest, width = given.shape or [None]
    if not isinstance(width, int) or any(isinstance(size, int) and size != 1 for size in rest):
        raise ValueError(f"file={file}: input {given.name} must have the shape (1, features), not {given.shape}")
    return width


def _number_type(file: Path, given: Any, allowed: Mapping[str, type]) -> type:
    if given.type not in allowed:
        raise ValueError(f"file={file}: input {given.name} must be {' or '.join(allowed)}, not {given.type}")
    return allowed[given.type]
