"""What the stations of an emulation leave in a run's folder, and what becomes of it there."""

from pathlib import Path

from emulator.record import Records
from hil.stations.real_times import EventRows, gather, write_events, write_real_tasks
from hil.stations.schedule import Schedule, read_schedule

HOSTS_FOLDER = "hosts"  # the folder of what the hosts' processes read and wrote


def schedule_file(folder: Path) -> Path:
    """Where the schedule of a run lies, if it had tasks."""
    return folder / HOSTS_FOLDER / "schedule.json"


def store_events(folder: Path) -> None:
    """Write events.parquet, where the run had tasks."""
    written = _written(folder)
    if written is not None:
        write_events(folder / "events.parquet", *written)


def append_real_tasks(records: Records, label: str, folder: Path) -> None:
    """Append the tasks of a run, if it had any, to records under `label`. Raises ValueError where a file is not what
    an emulation writes."""
    written = _written(folder)
    if written is not None:
        write_real_tasks(records, label, *written)


def _written(folder: Path) -> tuple[Schedule, EventRows] | None:
    path = schedule_file(folder)
    if not path.is_file():
        return None
    schedule = read_schedule(path)
    return schedule, gather(schedule, folder / HOSTS_FOLDER)
