"""Read GGUF files (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), which hold a model in one file.

A file may come from anyone, so nothing that it states is allocated, repeated or looked up before it is checked against
the bytes that are there. Only the dequantisation of tensors is left to the package `gguf`.
"""

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from emulator.core.errors import MissingDependency

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_FIELDS = 4_096
MAX_TENSORS = 65_536
MAX_DIMENSIONS = 4
MAX_NAME_BYTES = 256
MAX_TEXT_BYTES = 2**20
MAX_ENTRIES = 2**22  # of an array
MAX_ALIGNMENT = 2**16
DEFAULT_ALIGNMENT = 32
STRING, ARRAY = 8, 9
# Types of single values by their numbers in the file, for struct and for NumPy.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
REMEDY = "package gguf: must be installed to read GGUF files: pip install 'airsplit[models]'"


class GgufTensor(NamedTuple):
    """A stored tensor: shape with the fastest dimension last, the number of its type (`GGMLQuantizationType`), and
    where its bytes are in the file."""

    shape: tuple[int, ...]
    kind: int
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class GgufFile:
    """The fields and the places of the tensors of a GGUF file."""

    path: Path
    fields: Mapping[str, Any]
    tensors: Mapping[str, GgufTensor]

    def field(self, name: str, kind: type | tuple[type, ...]) -> Any:
        """Return a field. Raises ValueError if it is missing or of another type."""
        value = self.fields.get(name)
        if value is None:
            raise ValueError(f"{self.path}: {name}: must be given")
        if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
            raise ValueError(f"{self.path}: {name}={str(value)[:40]}: must be of another type")
        return value

    def values(self, name: str) -> npt.NDArray[np.float32]:
        """Return the values of a tensor. Raises ValueError if it is missing or of a type that cannot be dequantised."""
        from gguf.constants import GGMLQuantizationType
        from gguf.quants import dequantize

        tensor = self.tensors.get(name)
        if tensor is None:
            raise ValueError(f"{self.path}: tensor {name}: must be given")
        data = np.fromfile(self.path, np.uint8, tensor.size_bytes, offset=tensor.offset)
        rows = data.reshape(*tensor.shape[:-1], -1)
        kind = GGMLQuantizationType(tensor.kind)
        try:
            return np.ascontiguousarray(dequantize(rows, kind), dtype=np.float32).reshape(tensor.shape)
        except NotImplementedError:
            raise ValueError(f"{self.path}: tensor {name}: must not be of type {kind.name}") from None


class _Reader:
    """Reads values one after the other from a file's beginning."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path, self.data, self.offset = path, data, 0

    def error(self, rule: str) -> ValueError:
        return ValueError(f"{self.path}: byte {self.offset}: {rule}")

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.offset:
            raise self.error("must be a complete GGUF file: it ends too early")
        taken = self.data[self.offset : self.offset + count]
        self.offset += count
        return taken

    def number(self, code: str) -> Any:
        (value,) = struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))
        return value

    def count(self, most: int, what: str) -> int:
        value: int = self.number("Q")
        if value > most:
            raise self.error(f"{what}={value}: must be at most {most}")
        return value

    def text(self, most: int) -> str:
        taken = self.take(self.count(most, "length of a text"))
        try:
            return taken.decode()
        except UnicodeDecodeError:
            raise self.error("must be UTF-8 text") from None

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.text(MAX_TEXT_BYTES)
        if kind != ARRAY:
            return self.number(self.code(kind))
        inner, count = self.number("I"), self.count(MAX_ENTRIES, "length of an array")
        if inner == STRING:
            return [self.text(MAX_NAME_BYTES * 16) for _ in range(count)]
        code = self.code(inner)
        values = np.frombuffer(self.take(count * struct.calcsize(f"<{code}")), np.dtype(code).newbyteorder("<"))
        return values.tolist()

    def code(self, kind: int) -> str:
        if kind not in SCALARS:
            raise self.error(f"type={kind}: must be a type of GGUF, and arrays of arrays are not read")
        return SCALARS[kind]


def read_gguf(path: Path) -> GgufFile:
    """Return the fields and tensors of a file. Raises ValueError, one line, unless it is a complete GGUF file within
    the limits of this module; MissingDependency without the package `gguf`."""
    try:
        import gguf  # noqa: F401
    except ImportError:
        raise MissingDependency(REMEDY) from None
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError(f"{path}: must be a GGUF file")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read(_Reader(path, data))


def _read(reader: _Reader) -> GgufFile:
    reader.take(len(MAGIC))
    if (version := reader.number("I")) not in VERSIONS:
        raise reader.error(f"version={version}: must be one of {', '.join(map(str, VERSIONS))}")
    tensors = reader.count(MAX_TENSORS, "number of tensors")
    fields: dict[str, Any] = {}
    for _ in range(reader.count(MAX_FIELDS, "number of fields")):
        name = reader.text(MAX_NAME_BYTES)
        if name in fields:
            raise reader.error(f"{name}: is given twice")
        fields[name] = reader.value(reader.number("I"))
    headers: dict[str, tuple[tuple[int, ...], int, int]] = {}
    for _ in range(tensors):
        name = reader.text(MAX_NAME_BYTES)
        if name in headers:
            raise reader.error(f"tensor {name}: is given twice")
        if not 1 <= (dimensions := reader.number("I")) <= MAX_DIMENSIONS:
            raise reader.error(f"tensor {name}: must have 1 to {MAX_DIMENSIONS} dimensions")
        shape = tuple(reader.number("Q") for _ in range(dimensions))[::-1]
        headers[name] = shape, reader.number("I"), reader.number("Q")
    return GgufFile(reader.path, fields, _placed(reader, headers, _alignment(reader, fields)))


def _alignment(reader: _Reader, fields: Mapping[str, Any]) -> int:
    alignment = fields.get("general.alignment", DEFAULT_ALIGNMENT)
    if type(alignment) is not int or not 1 <= alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
        raise reader.error(f"general.alignment={str(alignment)[:40]}: must be a power of two up to {MAX_ALIGNMENT}")
    return alignment


def _placed(
    reader: _Reader, headers: Mapping[str, tuple[tuple[int, ...], int, int]], alignment: int
) -> dict[str, GgufTensor]:
    """Return the tensors with their bytes' places. Raises ValueError where one is of an unknown type, lies outside the
    file, or overlaps another one."""
    from gguf.constants import GGML_QUANT_SIZES

    begin = -(-reader.offset // alignment) * alignment
    sizes = {int(kind): size for kind, size in GGML_QUANT_SIZES.items()}
    placed = {}
    for name, (shape, kind, offset) in headers.items():
        block, block_bytes = sizes.get(kind, (0, 0))
        if not block:
            raise reader.error(f"tensor {name}: type={kind}: must be a type that the package gguf knows")
        if min(shape) < 1 or shape[-1] % block:
            raise reader.error(f"tensor {name}: shape={shape}: must be above 0, the last a multiple of {block}")
        placed[name] = GgufTensor(shape, kind, begin + offset, prod(shape) // block * block_bytes)
    end, before = begin, ""
    for name, tensor in sorted(placed.items(), key=lambda each: each[1].offset):
        if tensor.offset < end:
            raise reader.error(f"tensor {name}: must not overlap {before or 'the header'}")
        end, before = tensor.offset + tensor.size_bytes, name
        if end > len(reader.data):
            raise reader.error(f"tensor {name}: must lie within the file")
    return placed
