"""The table of a study's cells comes back as it was written, and damaged ones are refused in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from results.statistics import SUMMARY_COLUMNS
from results.study.cell_table import CELL_COLUMNS, CELLS_FILE, cell_table, read_cells, write_cells


def cells(**columns: Any) -> pd.DataFrame:
    """Return two cells, of a policy that is trained and one that is not, without numbers of delay and energy."""
    frame = pd.DataFrame(
        {
            "cell": ["a1", "b2"],
            "variant": "",
            "speed_mps": [1.5, 30.0],
            "channel_seed": 2**62 + 1,
            "arrival_seed": [0, 1],
            "training_seed": pd.array([2**62 + 3, None], "Int64"),
            "repetition": 0,
            "policy": ["ppo", "NA"],
            "unit": "00ff",
            "rows_sha256": ["12", "0012"],
            **dict.fromkeys(SUMMARY_COLUMNS.keys() - {"policy", "compute"}, 0),
            "cost_mean_s": [0.1 + 0.2, np.nan],
            "compute": "modelled",
        }
    )
    return frame.assign(**columns)


def test_a_table_comes_back_with_all_digits(tmp_path: Path) -> None:
    table = cell_table(cells(channel_model=["UMi", "10"]), ["speed_mps", "channel_model"])
    write_cells(tmp_path / CELLS_FILE, table)
    again = read_cells(tmp_path / CELLS_FILE)
    assert again.parameters == ("speed_mps", "channel_model")
    pd.testing.assert_frame_equal(again.cells, table.cells)


def test_damaged_tables_are_refused(tmp_path: Path) -> None:
    path = tmp_path / CELLS_FILE
    with pytest.raises(ValueError, match=r"^columns must include cost_mean_s$"):
        cell_table(cells().drop(columns="cost_mean_s"), ["speed_mps"])
    with pytest.raises(ValueError, match=r"^unit: a parameter must have a name of its own"):
        cell_table(cells(), ["unit"])
    with pytest.raises(ValueError, match=r"^rows must be of different cells: .*policy=ppo, .* is twice$"):
        cell_table(pd.concat([cells(), cells()]), ["speed_mps"])
    path.write_text("cell,variant\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"cells\.csv: must be as airsplit wrote it \(columns must include chan"):
        read_cells(path)


def test_columns_are_named_once() -> None:
    assert "policy" in CELL_COLUMNS and len([*CELL_COLUMNS]) == len(set(CELL_COLUMNS))
