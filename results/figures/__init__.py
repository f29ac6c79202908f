"""Figures of runs, traces and fits."""

from emulator.core.errors import MissingDependency

try:
    import matplotlib  # noqa: F401 (first of all, so that its errors are told here)
except (OSError, ValueError) as error:
    raise MissingDependency(f"matplotlib: {error}; mend or remove the file matplotlibrc that it reads") from error
