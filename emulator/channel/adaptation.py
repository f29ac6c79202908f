"""From SNR to bits: the channel quality indicator, the rate that it stands for, and what HARQ costs."""

import json
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class CqiTable(NamedTuple):
    """`efficiency` in bit/s/Hz of CQI 0..15 (0: out of range), shape (16,); the least SNR of CQI 1..15
    in dB, shape (15,)."""

    efficiency: Floats
    least_snr_db: Floats


def load_cqi_table() -> CqiTable:
    """CQI table 1 of TS 38.214 with published SNR thresholds at a block error rate of 0.1."""
    folder = files("emulator.channel") / "tables"
    table = json.loads((folder / "cqi_table_1.json").read_text())
    thresholds = json.loads((folder / "cqi_snr_thresholds.json").read_text())
    return CqiTable(np.array([0.0, *table["efficiency"]]), np.array(thresholds["snr_db"]))


def cqi_of(snr_db: Floats, table: CqiTable) -> Ints:
    """The highest CQI whose threshold the SNR reaches, 0..15, shape as `snr_db`."""
    return np.searchsorted(table.least_snr_db, snr_db, side="right")


def failed_transmissions(rng: np.random.Generator, too_high: Flags, bler: float, most: int) -> Ints:
    """How many transmissions of each slot's block fail, at most `most`, shape as `too_high`: each with
    probability `bler`, and the first surely where its CQI is too high."""
    draws = 1.0 - rng.random(len(too_high))  # in (0, 1]
    by_chance = np.floor(np.log(draws) / np.log(bler)) if bler > 0 else np.zeros(len(too_high))
    return np.minimum(by_chance.astype(np.int64) + too_high, most)
