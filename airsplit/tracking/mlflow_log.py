"""Logs in MLflow, by mlflow-skinny (the extra `tracking`)."""

import os
import re
import time
from contextlib import suppress
from math import isfinite
from typing import Any

from airsplit.tracking.tracked import Tracked

DEFAULTS = {  # of MLflow's variables, where the user has set none
    "MLFLOW_ALLOW_FILE_STORE": "true",  # the user has named it
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing is sent to anyone else
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # seconds, not minutes, until a server that is not there is given up
}
BATCH = 100  # the most settings in a request
LONGEST = 500  # letters of a setting that every version takes


def log_to_mlflow(uri: str, tracked: Tracked) -> None:
    """Log finished work as a run of an experiment of its name, which is made if there is none. `uri`: as MLflow takes
    it, such as `http://HOST:5000`, `sqlite:///FILE`, or a folder. Raises what MLflow raises."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(tracked.experiment)
    experiment = client.create_experiment(tracked.experiment) if found is None else found.experiment_id
    run = client.create_run(experiment, run_name=tracked.name, tags=dict(tracked.tags)).info.run_id
    try:
        _log(client, run, tracked)
    except BaseException:
        with suppress(Exception):  # the server may be gone
            client.set_terminated(run, "FAILED")
        raise
    client.set_terminated(run)


def _log(client: Any, run: str, tracked: Tracked) -> None:
    from mlflow.entities import Metric, Param

    now_ms = int(time.time() * 1_000)
    settings = [Param(_allowed(name), value[:LONGEST]) for name, value in tracked.settings.items()]
    metrics = [
        Metric(_allowed(each.name), each.value, now_ms, each.step) for each in tracked.metrics if isfinite(each.value)
    ]
    for first in range(0, max(len(settings), len(metrics)), BATCH):
        client.log_batch(run, metrics[first : first + BATCH], settings[first : first + BATCH])
    for folder, paths in tracked.files.items():
        for path in paths:
            client.log_artifact(run, str(path), folder or None)


def _allowed(name: str) -> str:
    """Return a name with the letters that MLflow allows."""
    return re.sub(r"[^\w\-. :/]", "_", name)
