"""GGUF files: conversion against the model that they were made from, and files that are damaged or malicious."""

import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.topologies.models.small_gguf import write_gguf
from tests.topologies.models.small_models import VOCABULARY, make_model
from topologies.models.chain import Chain
from topologies.models.language.folder_plan import folder_plan
from topologies.models.language.gguf_conversion import convert
from topologies.models.language.gguf_file import _Reader, read_gguf
from topologies.models.language.model_folder import ModelFolder
from topologies.models.language.tokenizer import load_tokenizer, text_tokens

pytestmark = pytest.mark.usefixtures("one_thread")

KINDS = ("llama-plain", "qwen2", "qwen3", "gpt2")
TOKENS = torch.arange(3, 3 + 17 * 5, 5)[None] % VOCABULARY


def tensors_of(model: Any) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """Return the tensors that are stored: a shared matrix once."""
    return {name: parameter.detach().numpy() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("kind", KINDS)
def test_converted_model_is_the_one_that_was_written(kind: str, tmp_path: Path) -> None:
    model = make_model(kind)
    write_gguf(tmp_path / "model.gguf", kind, tensors_of(model))
    convert(tmp_path / "model.gguf", tmp_path)
    plan = folder_plan("small", ModelFolder(tmp_path))
    chain = Chain(plan, 0, len(plan.layers))
    chain.materialise(0)
    with torch.no_grad():
        expected = model(TOKENS, use_cache=False).logits
    assert (chain(TOKENS) - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_quantised_matrices_are_those_of_the_package(tmp_path: Path) -> None:
    tensors = tensors_of(make_model("llama-wide"))
    write_gguf(tmp_path / "model.gguf", "llama-wide", tensors, quantised=True)
    convert(tmp_path / "model.gguf", tmp_path)
    plan = folder_plan("small", ModelFolder(tmp_path))
    assert plan.weights is not None
    stored = plan.weights(1)["block.mlp.up_proj.weight"].numpy()
    original = tensors["model.layers.0.mlp.up_proj.weight"]
    scale = np.abs(original.reshape(-1, 32)).max(1) / 127
    error = np.abs(stored - original).reshape(-1, 32).max(1)
    assert (error > 0).any()
    assert (error <= 0.5 * scale + 2e-3 * 127 * scale).all()  # half a step, and the rounding of the scale to fp16


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("gguf") / "good.gguf"
    return write_gguf(path, "llama-plain", tensors_of(make_model("llama-plain"))).read_bytes()


@given(st.data())
@settings(max_examples=300)
def test_damaged_files_are_refused_in_one_line_or_read(
    good: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Cut, and with bytes replaced in the header: no other error, nothing allocated that the file does not hold."""
    changed = bytearray(good[: data.draw(st.integers(0, len(good)))] if data.draw(st.booleans()) else good)
    header = min(len(changed), 9_000)
    for _ in range(data.draw(st.integers(0, 4))):
        value = data.draw(st.sampled_from([b"\xff" * 8, b"\0" * 8, struct.pack("<Q", 2**62)]) | st.binary(max_size=9))
        place = data.draw(st.integers(0, header))
        changed[place : place + len(value)] = value
    path = tmp_path_factory.mktemp("damaged") / "model.gguf"
    path.write_bytes(changed)
    made = path.parent / "made"
    made.mkdir()
    try:
        convert(path, made)
    except ValueError as error:
        assert "\n" not in str(error)
        assert str(error).startswith(str(path))
    finally:
        shutil.rmtree(path.parent)


def header(fields: bytes, tensors: int = 0, count: int = 1) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, count) + fields


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def with_field(content: bytes, name: str, value: bytes) -> bytes:
    """Return a GGUF file with another type and value of a field; where the tensors begin stays a multiple of 32."""
    reader = _Reader(Path(), content)  # type: ignore[arg-type]
    reader.take(8)
    tensors, fields = reader.number("Q"), reader.number("Q")
    begin = end = 0
    for _ in range(fields):
        is_it, start = reader.text(256) == name, reader.offset
        reader.value(reader.number("I"))
        begin, end = (start, reader.offset) if is_it else (begin, end)
    for _ in range(tensors):
        reader.text(256)
        reader.take(8 * reader.number("I") + 12)
    head = content[:begin] + value + content[end : reader.offset]
    return head + bytes(-len(head) % 32) + content[-(-reader.offset // 32) * 32 :]


def number(value: float) -> bytes:
    return struct.pack("<If", 6, value)


def texts(*values: str) -> bytes:
    return struct.pack("<IIQ", 9, 8, len(values)) + b"".join(text(value.encode()) for value in values)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("tokenizer.ggml.pre", texts("smollm"), "tokenizer.ggml.pre=['smollm']: must be one of"),
        ("tokenizer.ggml.token_type", struct.pack("<II", 4, 3), "tokenizer.ggml.token_type=3: must be of another type"),
        ("tokenizer.ggml.tokens", texts("a", "b"), "tokenizer.ggml.merges=Ā ā: must be of two tokens, and make one"),
        ("tokenizer.ggml.merges", texts("Ā"), "tokenizer.ggml.merges=Ā : must be of two tokens"),
        ("llama.rope.freq_base", number(float("nan")), "must have finite numbers"),
        ("llama.attention.layer_norm_rms_epsilon", number(-1.0), "rms_norm_eps=-1.0: must be between 0 and 1"),
    ],
)
def test_fields_of_another_type_or_meaning_are_refused_in_one_line(
    good: bytes, name: str, value: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(with_field(good, name, value))
    (tmp_path / "made").mkdir()
    with pytest.raises(ValueError, match=r"bad\.gguf: ") as caught:
        convert(path, tmp_path / "made")
    assert message in str(caught.value)
    assert not list((tmp_path / "made").iterdir())


def test_control_tokens_are_matched_whole(good: bytes, tmp_path: Path) -> None:
    types = struct.pack(f"<IIQ{VOCABULARY}I", 9, 4, VOCABULARY, *[1] * (VOCABULARY - 1), 3)
    (tmp_path / "model.gguf").write_bytes(with_field(good, "tokenizer.ggml.token_type", types))
    convert(tmp_path / "model.gguf", tmp_path)
    assert text_tokens(load_tokenizer(ModelFolder(tmp_path)), "Āā") == (VOCABULARY - 1,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must be a GGUF file"),
        (b"GGUF", "ends too early"),
        (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version=9: must be one of 2, 3"),
        (header(b"", 2**63), "number of tensors=9223372036854775808: must be at most 65536"),
        (header(b"", 0, 2**40), "number of fields=1099511627776: must be at most 4096"),
        (header(struct.pack("<Q", 2**60)), "length of a text=1152921504606846976: must be at most 256"),
        (header(text(b"a") + struct.pack("<IIQ", 9, 0, 2**50)), "length of an array=1125899906842624: must be at most"),
        (header(text(b"a") + struct.pack("<IIQ", 9, 10, 2**22)), "ends too early"),
        (header(text(b"a") + struct.pack("<IIQ", 9, 9, 1)), "arrays of arrays"),
        (header(text(b"a") + struct.pack("<I", 99)), "type=99: must be a type of GGUF"),
        (header(2 * (text(b"a") + struct.pack("<IB", 0, 1)), 0, 2), "a: is given twice"),
        (header(text(b"\xff") + struct.pack("<IB", 0, 1)), "must be UTF-8 text"),
        (header(text(b"t") + struct.pack("<IQIQ", 1, 2**62, 0, 0), 1, 0), "tensor t: must lie within the file"),
        (header(text(b"t") + struct.pack("<IQIQ", 1, 4, 0, 2**63), 1, 0), "tensor t: must lie within the file"),
        (header(text(b"t") + struct.pack("<IQIQ", 1, 0, 0, 0), 1, 0), "shape=(0,): must be above 0"),
        (header(text(b"t") + struct.pack("<IQIQ", 1, 33, 8, 0), 1, 0), "the last a multiple of 32"),
        (header(text(b"t") + struct.pack("<IQIQ", 1, 4, 250, 0), 1, 0), "type=250: must be a type"),
        (header(text(b"t") + struct.pack("<I", 9), 1, 0), "must have 1 to 4 dimensions"),
        (
            header(text(b"t") + struct.pack("<IQIQ", 1, 4, 0, 0) + text(b"u") + struct.pack("<IQIQ", 1, 4, 0, 8), 2, 0)
            + bytes(200),
            "tensor u: must not overlap t",
        ),
    ],
)  # fmt: skip
def test_malicious_headers_are_refused_in_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.gguf") as caught:
        read_gguf(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
