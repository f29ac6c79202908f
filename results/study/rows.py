"""Files of the rows of a study's tasks: one for each cell, in folders by variant and policy.

The names of the folders are those of a Hive partition (`variant=a/policy=b`), which pandas, Arrow and DuckDB read as
columns. A file has the columns of a run's tasks.parquet.
"""

from pathlib import Path

ROWS_FOLDER = "rows"
ONLY_VARIANT = "base"  # stands for the empty name of the variant of a study that names none


def rows_file(variant: str, policy: str, cell: str) -> Path:
    """Return the path, in a study's folder, of the rows of a cell (its digest in the column `cell`)."""
    return Path(ROWS_FOLDER, f"variant={variant or ONLY_VARIANT}", f"policy={policy}", f"{cell}.parquet")
