"""Quality tables as JSON files, beside each the calibration that its receivers need; read without torch."""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from math import nan
from pathlib import Path
from typing import Annotated, Any, Literal
from zipfile import BadZipFile, ZipFile

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError

from emulator.activation.codecs import CODECS
from emulator.activation.concealment import MOST_DIMENSIONS, Calibration
from emulator.activation.delivery import parse_delivery
from emulator.core.files import atomic_write, file_sha256
from emulator.core.strict_json import json_text
from emulator.quality import QualityRow, QualityTable
from topologies.profiles import PROFILES_FOLDER
from topologies.schema.base import Section
from topologies.schema.messages import translate

QUALITY_FOLDER = PROFILES_FOLDER / "quality"
VERSION = 1  # of the file's format
MAX_CALIBRATION_BYTES = 2**28

Share = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class RowSection(Section):
    """Mean loss at one cut, with one codec, after one delivery."""

    cut: PositiveInt
    """The first layer after the cut."""
    codec: str
    """Codec of the activation."""
    delivery: str = ""
    """Harm and what is done against it, such as `packets:1500/scatter/mean/t1`; default: nothing is lost."""
    level: float = Field(default=0.0, ge=0)
    """Share of the scalars that is lost, or power of the noise relative to each token's."""
    loss: float
    """Nats a token, or fall of the accuracy or of the agreement as a fraction."""
    low: float | None = None
    """Lower bound of the 95 % interval; default: too little was measured for one."""
    high: float | None = None
    """Upper bound."""
    agreement: Share
    """Share of the answers that are those of the unharmed model."""


class MeasuredOn(Section):
    """What the losses were measured on, and with."""

    data: str
    """Name of the text or of the set of images."""
    data_sha256: Sha256
    """Digest of the tokens, or of the images with their labels if they have some."""
    weights_sha256: Sha256
    """Digest of the model's weights and settings: `topologies.models.digests.weights_sha256` of its files."""
    tokenizer_sha256: Sha256 | None = None
    """Digest of the tokenizer of a language model."""
    calibration_sha256: Sha256
    """Digest of the file with means and energies, which has the table's name and the ending .npz."""
    window_tokens: NonNegativeInt
    """Tokens of one window of the text; 0 for images."""
    seeds: PositiveInt
    """Number of seeds of the draws; each has windows, or groups of images, of its own."""
    units_per_seed: PositiveInt
    """Number of windows, or groups of images, of each seed."""
    codecs: tuple[str, ...]
    """Codecs in the order of their numbers."""
    versions: dict[str, str]
    """Versions of the packages that computed."""


class TableSection(Section):
    """Contents of a table's file."""

    version: Literal[1]
    """Version of the file's format."""
    model: str = Field(min_length=1)
    """Name of the model."""
    unit: Literal["nats a token", "accuracy", "agreement"]
    """Unit of the losses; `agreement`: the answers of the unharmed model count as the right ones."""
    base: float
    """Mean negative log-likelihood, accuracy, or agreement (1) of the unharmed model."""
    measured_on: MeasuredOn
    """What was measured."""
    rows: tuple[RowSection, ...] = Field(min_length=1)
    """The losses."""


def quality_names() -> tuple[str, ...]:
    """Return the names of all models with a shipped quality table."""
    return tuple(sorted(path.stem for path in QUALITY_FOLDER.glob("*.json")))


def load_quality(name: str) -> QualityTable:
    """Return a shipped table by the model's name, or any table by the path of its file (`*.json`). Raises ValueError,
    one line, for an unknown name, a missing or a malformed file."""
    return as_table(read_file(quality_path(name)))


def quality_path(name: str) -> Path:
    """Return the file of a shipped table, or the given file. Raises ValueError if there is none."""
    path = Path(name) if name.endswith(".json") else QUALITY_FOLDER / f"{name}.json"
    if not path.is_file():
        known = ", ".join(quality_names())
        raise ValueError(f"quality={name}: must be one of {known}, or the path of an existing .json file")
    return path


def read_file(path: Path) -> TableSection:
    """Return the contents of a table's file. Raises ValueError, one line, for a malformed one."""
    try:
        read = TableSection.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(f"{path}: {translate(error, TableSection)[0].text}") from None
    seen = set()
    for index, row in enumerate(read.rows):
        if row.codec not in CODECS:
            raise ValueError(f"{path}: rows[{index}].codec={row.codec}: must be one of {', '.join(CODECS)}")
        if row.delivery:
            try:
                parse_delivery(row.delivery)
            except ValueError as error:
                raise ValueError(f"{path}: rows[{index}]: {error}") from None
        if bool(row.delivery) != (row.level > 0):
            raise ValueError(f"{path}: rows[{index}].level={row.level:g}: must be above 0 with a delivery, else 0")
        key = (row.cut, row.codec, row.delivery, row.level)
        if key in seen:
            raise ValueError(f"{path}: rows[{index}]: must differ from all others in cut, codec, delivery or level")
        seen.add(key)
    return read


def as_table(read: TableSection) -> QualityTable:
    """Return the losses of a file as a simulation uses them."""
    bounds = [(nan if row.low is None else row.low, nan if row.high is None else row.high) for row in read.rows]
    rows = (
        QualityRow(row.cut, row.codec, row.delivery, row.level, row.loss, low, high, row.agreement)
        for row, (low, high) in zip(read.rows, bounds, strict=True)
    )
    return QualityTable(read.model, read.unit, read.base, tuple(rows))


def save_quality(table: QualityTable, measured_on: MeasuredOn, path: Path) -> None:
    """Write a table as JSON, one line for each row, for `load_quality`. What was measured has four significant
    digits."""
    head = {"version": VERSION, "model": table.model, "unit": table.unit, "base": _rounded(table.base)}
    lines = [f"  {json.dumps(key)}: {json_text(value)}," for key, value in head.items()]
    lines.append(f'  "measured_on": {json_text(measured_on.model_dump())},')
    rows = (
        json_text({name: value if name == "level" else _rounded(value) for name, value in asdict(row).items()})
        for row in table.rows
    )
    with atomic_write(path) as partial:
        text = "\n".join(("{", *lines, '  "rows": [', ",\n".join(f"    {row}" for row in rows), "  ]", "}\n"))
        partial.write_text(text, encoding="utf-8")


def _rounded(value: object) -> object:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def calibration_bytes(calibrations: Mapping[int, Calibration]) -> bytes:
    """Return the file with the calibration of each cut: means as float16, and the first dimensions of the order."""
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for cut, each in calibrations.items():
        arrays[f"means{cut}"] = each.means.astype(np.float16)
        arrays[f"order{cut}"] = each.energy_order[:MOST_DIMENSIONS].astype(np.int32)
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def load_calibration(name: str) -> dict[int, Calibration]:
    """Return the calibration of each cut that was measured, for a name as `load_quality` takes. Raises ValueError, one
    line, unless the file is the one that the table names by its digest."""
    table = quality_path(name)
    path = table.with_suffix(".npz")
    if not path.is_file() or file_sha256(path) != read_file(table).measured_on.calibration_sha256:
        raise ValueError(f"{path}: must be the calibration that was written with {table.name}")
    try:
        with ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_CALIBRATION_BYTES:
                raise ValueError(f"must be at most {MAX_CALIBRATION_BYTES} bytes")
        with np.load(path, allow_pickle=False) as arrays:
            cuts = sorted(int(key.removeprefix("means")) for key in arrays if key.startswith("means"))
            return {cut: _calibration(arrays[f"means{cut}"], arrays[f"order{cut}"]) for cut in cuts}
    except (BadZipFile, LookupError, MemoryError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: must be a calibration: {' '.join(str(error).split())[:200]}") from None


def _calibration(means: npt.NDArray[Any], order: npt.NDArray[Any]) -> Calibration:
    if means.ndim != 1 or means.dtype.kind != "f" or not np.isfinite(means).all():
        raise ValueError("means must be finite numbers in a row")
    if order.ndim != 1 or order.dtype.kind != "i" or len(set(order.tolist()) & set(range(len(means)))) != len(order):
        raise ValueError("the order of energies must be of different dimensions")
    return Calibration(means.astype(np.float32), order.astype(np.int64))
