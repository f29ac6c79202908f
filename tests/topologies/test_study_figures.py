"""Sections on figures take what a study file says and refuse what cannot be drawn."""

from typing import Any

import pytest
from pydantic import ValidationError

from topologies.schema.study_figures import StudyFiguresSection


def test_settings_of_figures_are_read() -> None:
    data: dict[str, Any] = {
        "width_in": 3.5,
        "policies": "ppo",
        "window_s": [0, 30],
        "draw": [{"kind": "lines", "over": "speed_mps", "x_limits": [40, 0], "where": {"load": 2, "variant": "am"}}],
    }
    section = StudyFiguresSection.model_validate(data)
    assert section.policies == ("ppo",)
    assert section.draw is not None and section.draw[0].where == {"load": 2, "variant": "am"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"x_limits": [1, 1]}, "must give two different x_limits"),
        ({"draw": [{"kind": "bars", "y_limits": [0, 1], "y_scale": "log"}]}, "must give y_limits above 0"),
        ({"window_s": [3, 2]}, "must give a window_s that ends after its start"),
        ({"font": r"\input{x}"}, "should match pattern"),
        ({"width_in": 0.5}, "greater than or equal to 2"),
        ({"draw": [{"kind": "pie"}]}, "should be 'lines'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StudyFiguresSection.model_validate(data)
