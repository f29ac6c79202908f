"""The cells of a study that was made up, so that its statistics are known."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from results.statistics import SUMMARY_COLUMNS
from results.study.cell_table import CELLS_FILE, CellTable, cell_table, write_cells

SEED = 7
POLICIES = {"exact": (0.30, 0), "ppo": (0.29, 5), "a3c": (0.33, 5), "all-edge": (0.42, 0)}  # cost, training seeds
SPEEDS_MPS = (1.0, 10.0, 30.0)
CHANNELS = 6


def made_up_cells(variants: tuple[str, ...] = ("am", "um")) -> pd.DataFrame:
    """Return the cells of four policies, two of them trained with five seeds, on six channels at three speeds."""
    rng = np.random.default_rng(SEED)
    channels, agents = rng.normal(0, 0.05, CHANNELS), rng.normal(0, 0.03, 5)
    rows = []
    for place, variant in enumerate(variants):
        for speed in SPEEDS_MPS:
            for number in range(CHANNELS):
                bound = 0.2 * (1 + 0.01 * speed) * (1 + channels[number])
                for policy, (cost, seeds) in POLICIES.items():
                    for seed in range(max(seeds, 1)):
                        own = cost * (1 + (0.02 if policy == "all-edge" else 0.01) * speed) * (1 + 0.2 * place)
                        own *= 1 + channels[number] + (agents[seed] if seeds else 0) + rng.normal(0, 0.03)
                        rows.append(
                            {
                                "variant": variant,
                                "speed_mps": speed,
                                "channel_seed": number,
                                "training_seed": seed if seeds else None,
                                "policy": policy,
                                "unit": f"{variant}{speed}{number}",
                                "cost_mean_s": own,
                                "bound_mean_s": bound,
                                "gap": own / bound - 1,
                                "delay_mean_ms": 900 * own,
                                "delay_p95_ms": 2500 * own,
                                "energy_mean_j": 0.5 / cost + rng.normal(0, 0.02),
                                "failed": int(rng.integers(0, 4)),
                                "missed": int(rng.integers(0, 9)),
                            }
                        )
    numbers = dict.fromkeys(SUMMARY_COLUMNS.keys() - rows[0].keys() - {"policy", "compute"}, np.nan)
    frame = pd.DataFrame(rows).astype({"training_seed": "Int64"})
    fixed: dict[str, Any] = {
        "arrival_seed": 3,
        "repetition": 0,
        "rows_sha256": "00",
        "compute": "modelled",
        "tasks": 100,
        "done": 90,
    }
    return frame.assign(**{**numbers, **fixed}, cell=[f"{number:04x}" for number in range(len(frame))])


@pytest.fixture(scope="session")
def made_up() -> CellTable:
    """The cells of `made_up_cells`."""
    return cell_table(made_up_cells(), ["speed_mps"])


@pytest.fixture
def study_folder(tmp_path: Path, made_up: CellTable) -> Path:
    """A study's folder with nothing but its cells.csv."""
    write_cells(tmp_path / CELLS_FILE, made_up)
    return tmp_path
