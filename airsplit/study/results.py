"""The tables and figures of a study: what can be seen to be wrong before cells run, and how they are written."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from emulator.core.errors import UnfinishedRun
from results.figures.style import font_settings
from results.study.write import write_results
from topologies.loading.study import LoadedStudy


def wrong_figures(loaded: LoadedStudy) -> Iterator[str]:
    """Yield a line for each name in the section `figures` that the study does not have. Raises ValueError or
    MissingDependency for a font that is not there."""
    figures, labels = loaded.study.figures, loaded.settings[0].scenario.labels
    font_settings(figures.font)
    named = [("figures.reference", figures.reference), *(("figures.policies", each) for each in figures.policies or ())]
    for place, label in named:
        if label is not None and label not in labels:
            yield f"{loaded.file.name}: {place}={label}: must be one of {', '.join(labels)}"
    known = ("variant", *loaded.parameters)
    for number, section in enumerate(figures.draw or ()):
        names = [*([] if section.over is None else [(f"over={section.over}", section.over)])]
        names += [(f"where.{name}", name) for name in section.where]
        for place, name in names:
            if name not in known:
                yield f"{loaded.file.name}: figures.draw[{number}].{place}: must be one of {', '.join(known)}"


def write_study_results(folder: Path, loaded: LoadedStudy, command: tuple[str, ...]) -> list[Path]:
    """Write tables and figures of a study and return their paths. Raises UnfinishedRun, which names the call that tries
    again, for any error."""
    try:
        return write_results(folder, loaded.study.figures)
    except (Exception, KeyboardInterrupt) as error:
        reason = "interrupted" if isinstance(error, KeyboardInterrupt) else " ".join(f"{error}".split())
        again = f"the cells are complete, and `{shlex.join(command)}` tries again"
        raise UnfinishedRun(f"{folder}: tables and figures not made ({reason}); {again}") from error
