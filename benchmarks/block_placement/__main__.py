"""`python -m benchmarks.block_placement FOLDER [--full]`: compare policies, print the tables, draw the figures.

Rows are kept in FOLDER/rows.csv; a later call measures what is missing there, and anew what was
measured with other settings.
"""

import argparse
from functools import cache
from pathlib import Path

import pandas as pd

from benchmarks.block_placement.compare import tables
from benchmarks.block_placement.figures import default, learned, sweeps
from benchmarks.block_placement.plan import FULL, QUICK, Case, cases, digest, measure
from emulator.core.files import atomic_write

KEY = ["form", "sweep", "value", "policy", "seed"]


def main() -> None:
    """Measure what is missing, then print and draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.block_placement")
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--full", action="store_true", help="ten seeds, all learners, five seeds in the sweeps, published length"
    )
    parser.add_argument("--draw", action="store_true", help="measure nothing: print and draw the rows that exist")
    arguments = parser.parse_args()
    path = arguments.folder / "rows.csv"
    try:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        rows = current(path)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if arguments.draw and rows.empty:
        parser.error(f"{path}: must hold rows to draw: call without --draw first")
    done = set(rows[KEY].itertuples(index=False, name=None))
    for case, policy, seed in [] if arguments.draw else cases(FULL if arguments.full else QUICK):
        if (*case, policy, seed) in done:
            continue
        row = pd.DataFrame([measure(case, policy, seed)])
        rows = pd.concat([rows, row], ignore_index=True) if len(rows) else row
        with atomic_write(path) as partial:
            rows.to_csv(partial, index=False)
    print(tables(rows))
    for draw in (default, sweeps, learned):
        draw(rows, arguments.folder)


def current(path: Path) -> pd.DataFrame:
    """Return the rows that were measured with the settings of today. Raises ValueError for a file of another form."""
    if not path.exists():
        return pd.DataFrame(columns=KEY)
    try:
        rows = pd.read_csv(path, dtype={"sweep": str, "settings": str}).fillna({"sweep": ""})
        missing = {*KEY, "settings"} - set(rows.columns)
    except ValueError as error:  # pandas' errors of parsing are such ones
        raise ValueError(f"{path}: must be a table of rows ({str(error).splitlines()[0]})") from error
    if missing:
        raise ValueError(f"{path}: must have the columns {', '.join(sorted(missing))}")
    of_today = cache(digest)
    keys = rows[["form", "sweep", "value", "policy"]].itertuples(index=False, name=None)
    wanted = [of_today(Case(*case), policy) for *case, policy in keys]
    return rows.loc[rows["settings"] == wanted]


if __name__ == "__main__":
    main()
