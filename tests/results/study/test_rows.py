"""Rows of tasks lie in folders that libraries read as columns."""

from pathlib import Path

import pandas as pd

from results.study.rows import ROWS_FOLDER, rows_file


def test_folders_are_read_as_columns(tmp_path: Path) -> None:
    for variant, policy, cell in (("", "exact", "a1"), ("far", "ppo-1.5", "b2")):
        file = tmp_path / rows_file(variant, policy, cell)
        file.parent.mkdir(parents=True)
        pd.DataFrame({"task": [0, 1]}).to_parquet(file)
    rows = pd.read_parquet(tmp_path / ROWS_FOLDER).astype({"variant": str, "policy": str})
    assert set(rows[["variant", "policy"]].itertuples(index=False, name=None)) == {
        ("base", "exact"),
        ("far", "ppo-1.5"),
    }
