"""Networks in ONNX for the tests, and what they compute."""

from pathlib import Path
from typing import Any

import numpy as np

from emulator.core.arrays import Flags, Float32s
from tests.extras import module_of_extra


def weights_of(features: int, choices: int, seed: int = 0) -> Float32s:
    """Return weights from features to scores, shape (features, choices)."""
    return np.random.default_rng(seed).normal(size=(features, choices)).astype(np.float32)


def save_linear(path: Path, weights: Float32s, mask_bias: float | None = None) -> Path:
    """Write the network features @ weights; with `mask_bias`, it has an input for the mask and adds so much to what the
    mask allows. A second output, `value`, is the sum of the scores."""
    helper = module_of_extra("onnx.helper", "onnx")
    kinds = module_of_extra("onnx", "onnx").TensorProto
    features, choices = weights.shape
    inputs = [helper.make_tensor_value_info("seen", kinds.FLOAT, ["batch", features])]
    nodes = [helper.make_node("MatMul", ["seen", "weights"], ["scores" if mask_bias is None else "product"])]
    held = {"weights": weights}
    if mask_bias is not None:
        inputs.append(helper.make_tensor_value_info("mask", kinds.BOOL, ["batch", choices]))
        nodes += [
            helper.make_node("Cast", ["mask"], ["number"], to=kinds.FLOAT),
            helper.make_node("Mul", ["number", "bias"], ["added"]),
            helper.make_node("Add", ["product", "added"], ["scores"]),
        ]
        held["bias"] = np.array(mask_bias, np.float32)
    nodes.append(helper.make_node("ReduceSum", ["scores"], ["value"]))
    outputs = [helper.make_tensor_value_info(name, kinds.FLOAT, None) for name in ("scores", "value")]
    constants = [_constant(helper, name, values) for name, values in held.items()]
    graph = helper.make_graph(nodes, "linear", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def _constant(helper: Any, name: str, values: Float32s) -> Any:
    return helper.make_tensor(name, 1, values.shape, values.tobytes(), raw=True)


def best_of(scores: Float32s, mask: Flags) -> int:
    """Return the allowed choice with the highest score, by comparing one after the other."""
    allowed = [number for number in range(len(mask)) if mask[number]]
    return max(allowed, key=lambda number: (scores[number], -number))
