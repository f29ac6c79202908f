"""Generation of traces of UEs in one cell, without a scenario, for `airsplit trace new`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator

from emulator.channel.generate import generate_file
from emulator.channel.presets import PresetName
from emulator.channel.radio import Direction, Environment
from emulator.core.errors import Mistakes
from emulator.core.files import require_folder
from emulator.trace.writer import is_trace_file
from topologies.build.trace_sources import whole_slots_ns
from topologies.build.tracks import require_in_hall, require_long_enough, track_of
from topologies.loading.cell_checks import check_carrier
from topologies.loading.loader import apply_override
from topologies.schema.base import Section
from topologies.schema.cells import CellSection
from topologies.schema.defaults import with_ue_defaults
from topologies.schema.messages import translate
from topologies.schema.radio import MOVEMENT_KEYS, RadioSection, radio_of
from topologies.schema.setting_errors import LocatedSection, translate_setting_errors

ERROR_PREFIX = "trace new"  # prefix of error messages, in place of a file's name


class TraceRequest(Section):
    """The cell, and the radio that its UEs have in common, whose defaults are those of the cell's preset."""

    cell: CellSection
    radio: RadioSection

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, values: Any) -> Any:
        cell, radio = values["cell"], values["radio"]
        given = isinstance(cell, dict) and isinstance(radio, dict)
        return {**values, "radio": with_ue_defaults(radio, cell)} if given else values


def trace_request(
    model: Environment | None, overrides: Sequence[str], preset: PresetName | None = None
) -> TraceRequest:
    """Return the request for a cell of a preset, or in an environment, or both, with random waypoints unless
    overridden. Overrides have the keys of a scenario's cells and of its links' `radio`: `cell.bandwidth_mhz=20`,
    `radio.speed_mps=10`. Raises ValueError, one line."""
    named = {"preset": preset, "environment": model}
    data: dict[str, Any] = {"cell": {key: name for key, name in named.items() if name is not None}, "radio": {}}
    for override in overrides:
        apply_override(data, override, ERROR_PREFIX)
    if isinstance(data["radio"], dict) and not data["radio"].keys() & set(MOVEMENT_KEYS):
        data["radio"]["ring"] = {}
    try:
        found = TraceRequest.model_validate(data)
    except ValidationError as error:
        mistakes = translate(error, TraceRequest, data)
        raise Mistakes(f"{ERROR_PREFIX}: --set {mistake.text}" for mistake in mistakes) from None
    check_carrier(f"{ERROR_PREFIX}: cell", found.cell)
    return found


def new_traces(
    request: TraceRequest, ues: int, directions: Sequence[Direction], duration_ns: int, seed: int, out: Path
) -> Iterator[tuple[Path, str]]:
    """Write a file for each direction of UEs `ue1`, `ue2`, ...; yield its path and SHA-256. `out` is a folder, or for
    one UE and direction a file whose name ends in .parquet. Raises ValueError (one line), also if the folder contains
    other traces."""
    require_folder(out)
    one_file = is_trace_file(out)
    if one_file and (ues, len(directions)) != (1, 1):
        raise ValueError(f"--out {out}: must be a folder, or --ues 1 and --direction uplink or downlink be given")
    if not one_file and out.exists() and not out.is_dir():
        raise ValueError(f"--out {out}: must be a folder, or a name that ends in .parquet")
    names = [f"ue{number}" for number in range(1, ues + 1)]
    if not one_file:
        _require_no_others(out, {_file(ue, direction) for ue in names for direction in directions})
    whole_ns = whole_slots_ns(duration_ns, request.cell.mu)
    radio = radio_of(request.cell, request.radio)
    with nullcontext() if one_file else _folder(out):
        for ue in names:
            ue_section = LocatedSection(f"{ERROR_PREFIX}: {ue}: radio", request.radio)
            with translate_setting_errors(LocatedSection(f"{ERROR_PREFIX}: cell", request.cell), ue_section):
                track = track_of(request.radio, whole_ns, seed, ue, Path.cwd())
                require_long_enough(request.radio, track, "--duration", duration_ns)
                require_in_hall(request.radio, track, request.cell)
                for direction in directions:
                    path = out if one_file else out / _file(ue, direction)
                    yield path, generate_file(path, radio, track, whole_ns, seed, ue, direction)


def _file(ue: str, direction: Direction) -> str:
    return f"{ue}-{direction}.parquet"


def _require_no_others(folder: Path, names: set[str]) -> None:
    """Raise ValueError if the folder contains other traces: traces of two calls would look like those of one."""
    for path in sorted(folder.glob("*.parquet")):
        if path.name not in names:
            raise ValueError(f"--out {folder}: must hold no other traces, and holds {path.name}")


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """Create the folder if needed; delete it again at the end if it is new and empty, as after an error."""
    is_new = not path.exists()
    path.mkdir(exist_ok=True)
    try:
        yield
    finally:
        if is_new and not any(path.iterdir()):
            path.rmdir()
