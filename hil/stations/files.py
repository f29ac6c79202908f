"""The files of stations in a run's folder, and the events and records made from them."""

import json
from pathlib import Path

from emulator.core.files import atomic_write
from emulator.core.progress import StepProgress
from emulator.record import Records
from emulator.system import System
from hil.predicted_quality import write_quality
from hil.stations.real_times import gather, gather_answers, write_events, write_real_tasks
from hil.stations.schedule import read_schedule

HOSTS_FOLDER = "hosts"  # the folder of the files of the hosts' processes


def schedule_file(folder: Path) -> Path:
    """Return the path of a run's schedule; a run without tasks has none."""
    return folder / HOSTS_FOLDER / "schedule.json"


def store_events(folder: Path, label: str, system: System, progress: StepProgress) -> None:
    """Write events.parquet if the run had tasks; if they were computed, score their answers, and write the losses of
    quality under the policy `label` beside those that the tables predict to quality.csv."""
    path = schedule_file(folder)
    if not path.is_file():
        return
    schedule = read_schedule(path)
    rows = gather(schedule, folder / HOSTS_FOLDER)
    write_events(folder / "events.parquet", schedule, rows)
    found = gather_answers(schedule, folder / HOSTS_FOLDER)
    if not found:
        return
    from hil.answers import Answer  # torch
    from hil.stations.quality_rows import quality_rows
    from hil.stations.scoring import measured_losses

    answers = {job: Answer(*answer) for job, answer in found.items()}
    measured = measured_losses(schedule, answers, lambda done, total: progress("scoring answers", done, total))
    with atomic_write(_losses_file(folder)) as partial:
        losses = [None if each is None else each.loss for each in measured]
        partial.write_text(json.dumps(losses), encoding="ascii")
    write_quality(folder, quality_rows(label, system, schedule, rows, measured))


def append_real_tasks(records: Records, label: str, folder: Path) -> None:
    """Append a run's tasks, if it had any, to records under `label`. Raises ValueError if a file is not one that an
    emulation writes."""
    path = schedule_file(folder)
    if path.is_file():
        schedule = read_schedule(path)
        rows = gather(schedule, folder / HOSTS_FOLDER)
        write_real_tasks(records, label, schedule, rows, _read_losses(folder, len(schedule.jobs)))


def _losses_file(folder: Path) -> Path:
    return folder / HOSTS_FOLDER / "quality.json"


def _read_losses(folder: Path, jobs: int) -> list[float | None]:
    path = _losses_file(folder)
    if not path.is_file():
        return [None] * jobs
    losses = json.loads(path.read_text(encoding="ascii"))
    if not isinstance(losses, list) or len(losses) != jobs:
        raise ValueError(f"{path}: must be a list of {jobs} losses")
    return [None if each is None else float(each) for each in losses]
