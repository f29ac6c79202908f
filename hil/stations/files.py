"""The files of stations in a run's folder, and the events and records made from them."""

from pathlib import Path

from emulator.record import Records
from hil.stations.real_times import EventRows, gather, write_events, write_real_tasks
from hil.stations.schedule import Schedule, read_schedule

HOSTS_FOLDER = "hosts"  # the folder of the files of the hosts' processes


def schedule_file(folder: Path) -> Path:
    """Return the path of a run's schedule; a run without tasks has none."""
    return folder / HOSTS_FOLDER / "schedule.json"


def store_events(folder: Path) -> None:
    """Write events.parquet if the run had tasks."""
    stored = _read_stored(folder)
    if stored is not None:
        write_events(folder / "events.parquet", *stored)


def append_real_tasks(records: Records, label: str, folder: Path) -> None:
    """Append a run's tasks, if it had any, to records under `label`. Raises ValueError if a file is not one that an
    emulation writes."""
    stored = _read_stored(folder)
    if stored is not None:
        write_real_tasks(records, label, *stored)


def _read_stored(folder: Path) -> tuple[Schedule, EventRows] | None:
    path = schedule_file(folder)
    if not path.is_file():
        return None
    schedule = read_schedule(path)
    return schedule, gather(schedule, folder / HOSTS_FOLDER)
