"""Measured layer times are saved and loaded; other files are refused in one line."""

from pathlib import Path

import pytest

from emulator.layer_times import load_measured, save_measured
from emulator.system import LayerTimes


def test_saved_times_are_loaded_unchanged(tmp_path: Path) -> None:
    measured = {"edge1": {"llm": LayerTimes((1, 2), (3, 4), (5, 6))}}
    save_measured(tmp_path / "measured.json", measured)
    assert load_measured(tmp_path / "measured.json") == measured
    assert [path.name for path in tmp_path.iterdir()] == ["measured.json"]


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"edge1": {"llm": {"fixed_ns": [Infinity], "token_ns": [0], "context_ps": [0]}}}',
        '{"edge1": {"llm": {"fixed_ns": [1]}}}',
        "[3]",
        "",
    ],
)
def test_other_files_are_refused_in_one_line(content: str, tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError) as caught:
        load_measured(path)
    assert str(caught.value).startswith(f"{path}: must be layer times that airsplit wrote (")
    assert "\n" not in str(caught.value)
