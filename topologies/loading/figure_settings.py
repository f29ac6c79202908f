"""Settings of figures: those of a stored study file, and values that the user gives instead."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from emulator.core.errors import Mistakes
from topologies.loading.document import read_document
from topologies.loading.loader import apply_override
from topologies.schema.messages import translate
from topologies.schema.study_figures import FigureStyleSection

FiguresSection = TypeVar("FiguresSection", bound=FigureStyleSection)
KEY = "figures"  # of a study file


def figure_settings(
    section: type[FiguresSection], overrides: Sequence[str], study_file: Path | None = None
) -> FiguresSection:
    """Return the settings of figures: those in a study file, changed by arguments of `--set` whose paths start in that
    section, such as `width_in=3.5`. Raises Mistakes, a ValueError with a line for each mistake."""
    stored = {} if study_file is None else read_document(study_file).data
    data: dict[str, Any] = dict(stored.get(KEY) or {})
    for override in overrides:
        apply_override(data, override, KEY)
    try:
        return section.model_validate(data)
    except ValidationError as error:
        raise Mistakes(f"{KEY}: {mistake.text}" for mistake in translate(error, section, data)) from None
