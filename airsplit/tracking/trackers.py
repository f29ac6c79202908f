"""The trackers that a command names, and what happens if one of them fails: the work is finished and stays so."""

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from airsplit.tracking.mlflow_log import log_to_mlflow
from airsplit.tracking.tensorboard_log import log_to_tensorboard
from airsplit.tracking.tracked import Tracked
from emulator.core.errors import MissingDependency


class Trackers(NamedTuple):
    """Where finished work is logged: at a server or store of MLflow, and in a folder for TensorBoard."""

    mlflow: str | None = None
    tensorboard: Path | None = None

    def require(self) -> None:
        """Raise MissingDependency if a package that is needed is missing. Call it before the work starts."""
        for package, where in (("mlflow", self.mlflow), ("tensorboardX", self.tensorboard)):
            if where is not None and find_spec(package) is None:
                raise MissingDependency(f"{package}: must be installed: pip install 'airsplit[tracking]'")

    def log(self, make: Callable[[], Tracked], again: str) -> list[str]:
        """Log finished work. Return a line for each tracker that failed; `again` is the command that tries again."""
        logs: dict[str, Callable[[Tracked], None]] = {}
        if self.mlflow is not None:
            logs[self.mlflow] = partial(log_to_mlflow, self.mlflow)
        if self.tensorboard is not None:
            logs[str(self.tensorboard)] = partial(log_to_tensorboard, self.tensorboard)
        failures = []
        for where, log in logs.items():
            try:
                with redirect_stdout(sys.stderr):  # MLflow prints addresses there
                    log(make())
            except (Exception, KeyboardInterrupt) as error:  # of libraries, servers and disks
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
                failures.append(f"not logged to {where} ({reason}); the results are complete, and `{again}` logs them")
        return failures
