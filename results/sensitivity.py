"""What a result stands on: the tasks of a scenario beside those of its variants, in each of which one assumption is
changed. Tasks are paired: the same seed, source, kind and number is the same task.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from emulator.core.files import atomic_write
from results.intervals import ratio_interval
from results.run.reading import readable
from results.run.tables import TASK_KEY, require_columns
from results.text import number, percent

KEY = ["policy", "seed", *TASK_KEY]
TEXTS = ("assumption", "description", "present", "setting", "policy", "order", "left_out")
NUMBERS = ("tasks", "moved", "cost_present_s", "cost_s", "change", "change_low", "change_high")
COLUMNS = (*TEXTS[:5], *NUMBERS, *TEXTS[5:])
HEADINGS = ("assumption", "present", "instead", "policy", "moved", "cost", "95 % interval", "order of policies")


class Variant(NamedTuple):
    """A scenario with one assumption changed, from `present` to `setting`, by `overrides` as arguments of `--set`."""

    assumption: str
    description: str
    present: str
    setting: str
    overrides: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name in messages."""
        return f"{self.assumption}, {self.setting} instead of {self.present}"


def sensitivity_table(
    present: pd.DataFrame,
    varied: Iterable[tuple[Variant, pd.DataFrame | str]],
    left_out: Mapping[str, str],
    policies: Sequence[str],
) -> pd.DataFrame:
    """Return a row for each variant and each of the policies, those of the assumptions that matter most to the first
    policy first; then a row for each variant and assumption that was left out, with the reason.

    `present` and each of `varied` (or a text: why there is none) has the columns `policy`, `seed`, `source`, `kind`,
    `task`, `placement`, `cost_s` and `unit`; tasks of one unit saw the same channel.
    """
    rows: list[dict[str, object]] = []
    for variant, tasks in varied:
        shared = variant._asdict()
        del shared["overrides"]
        if isinstance(tasks, str):
            rows.append(shared | {"left_out": tasks})
        else:
            rows += [shared | row for row in variant_rows(present, tasks, policies)]
    rows += [{"assumption": name, "left_out": reason} for name, reason in left_out.items()]
    table = pd.DataFrame([dict.fromkeys(TEXTS, "") | row for row in rows], columns=list(COLUMNS))
    greatest = table[table["policy"] == policies[0]].groupby("assumption")["change"].agg(lambda each: each.abs().max())
    weight = table["assumption"].map(greatest).fillna(0).where(table["left_out"] == "", -1)
    return table.iloc[np.argsort(-weight.to_numpy(), kind="stable")].reset_index(drop=True)


def variant_rows(present: pd.DataFrame, varied: pd.DataFrame, policies: Sequence[str]) -> list[dict[str, object]]:
    """Return what a variant changes for each policy. Raises ValueError if it does not offer the same tasks."""
    pairs = present.merge(varied, on=KEY, suffixes=("", "_varied"), validate="one_to_one")
    if not len(pairs) == len(present) == len(varied):
        raise ValueError("must offer the same tasks as the scenario")
    order = order_changes(present, varied)
    return [_row(policy, pairs[pairs["policy"] == policy]) | {"order": order} for policy in policies]


def _row(policy: str, pairs: pd.DataFrame) -> dict[str, object]:
    sums = pairs.groupby("unit")[["cost_s", "cost_s_varied"]].sum()
    before, after = sums["cost_s"].to_numpy(), sums["cost_s_varied"].to_numpy()
    low, high = ratio_interval(after, before)
    return {
        "policy": policy,
        "tasks": len(pairs),
        "moved": float((pairs["placement"] != pairs["placement_varied"]).mean()),
        "cost_present_s": float(pairs["cost_s"].mean()),
        "cost_s": float(pairs["cost_s_varied"].mean()),
        "change": float(after.sum() / before.sum()) - 1,
        "change_low": low - 1,
        "change_high": high - 1,
    }


def order_changes(present: pd.DataFrame, varied: pd.DataFrame) -> str:
    """Return the pairs of policies whose order by mean cost is reversed, `a before b; ...` as it becomes."""
    before, after = (tasks.groupby("policy", sort=False)["cost_s"].mean() for tasks in (present, varied))
    pairs = combinations(before.sort_values(kind="stable").index, 2)
    return "; ".join(f"{b} before {a}" for a, b in pairs if before[a] < before[b] and after[a] > after[b])


def write_sensitivity(path: Path, table: pd.DataFrame) -> None:
    """Write sensitivity.csv."""
    with atomic_write(path) as partial:
        table.to_csv(partial, index=False, float_format="%.9g")


def read_sensitivity(path: Path) -> pd.DataFrame | None:
    """Read sensitivity.csv; None if the run has none."""
    if not path.is_file():
        return None
    with readable(path):
        types = dict.fromkeys(TEXTS, str) | dict.fromkeys(NUMBERS, "float64")
        table = pd.read_csv(path, dtype=types, keep_default_na=False, na_values={name: [""] for name in NUMBERS})
        require_columns(table, COLUMNS)
    return table


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the variants that were simulated."""
    return table[table["left_out"] == ""]


def cells_of(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the rows of the variants that were simulated as texts, in the columns of HEADINGS."""
    return [
        (
            *(str(row[name]) for name in ("assumption", "present", "setting", "policy")),
            percent(row["moved"]),
            f"{number(row['cost_s'])} s ({signed_percent(row['change'])})",
            f"{signed_percent(row['change_low'])} to {signed_percent(row['change_high'])}"
            if row["change_low"] == row["change_low"]
            else "-",
            _shortened(str(row["order"])),
        )
        for row in compared(table).to_dict("records")
    ]


def reasons(table: pd.DataFrame) -> list[str]:
    """Return a line for each variant and assumption that was left out."""
    rows = table[table["left_out"] != ""].to_dict("records")
    return [
        f"{row['assumption']}{row['setting'] and ', ' + str(row['setting'])}: left out: {row['left_out']}"
        for row in rows
    ]


def conclusion(table: pd.DataFrame) -> str:
    """Return what moves the first policy's cost most, and which assumptions change the order of the policies."""
    rows = compared(table)
    if not len(rows):
        return "No assumption was varied."
    policy = rows["policy"].iloc[0]
    own = rows[rows["policy"] == policy]
    row = own.loc[own["change"].abs().idxmax()]
    changing = list(dict.fromkeys(rows.loc[rows["order"] != "", "assumption"]))
    order = f"changes with {', '.join(changing)}" if changing else "never changes"
    setting = f"with {row['setting']} instead of {row['present']}"
    return (
        f"The mean cost of {policy} depends most on {row['assumption']}: {signed_percent(row['change'])} {setting}, "
        f"and {percent(row['moved'])} of its tasks run elsewhere. The order of the policies {order}."
    )


def signed_percent(value: float) -> str:
    """Format a relative change in per cent with its sign; one to ten times the value and more as a factor."""
    if value >= 9:
        return f"x {number(1 + value)}"
    return ("+" if value > 0 else "") + percent(value)


def _shortened(order: str) -> str:
    first, *others = order.split("; ")
    return (first or "same") + (f" and {len(others)} more" if others else "")
