"""The quality of answers over links that lose packets, with real packets, against the quality table.

`python -m benchmarks.quality_on_air --out FOLDER` (root, Mininet, the package of smollm2-135m; two minutes for each of
1, 5 and 10 % random loss) emulates tasks on windows of 128 tokens of Python's manual, cut before layer 16, and prints a
JSON line for each loss rate: the mean loss of quality that the hosts' answers measured, with half the 95 % interval of
its sampling error, beside the prediction of the table at the shares of packets that were lost. It exits with 1 unless
they agree within both intervals.

With `--fading` the link is the uplink of a UE that moves at 8 m/s, without retransmissions, which loses packets in
bursts. The same answers are then compared with the table's rows for single losses and for bursts, a line each, and the
exit code is that of the latter.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from emulator.core.sources import own_process
from results.figures.quality_data import sampling_error
from topologies.models.language.packages import shipped_folder
from topologies.models.language.tokenizer import load_tokenizer
from topologies.quality.data import SHIPPED_TEXT, shipped_text, windows
from topologies.quality.tables import load_quality

MODEL, CUT = "smollm2-135m", 16
PROMPT_TOKENS = 128
INTERVAL_S = 2.0  # between two tasks: each takes half a second where the processors are free
DELIVERY = "packets:1500/scatter/mean/t1/d4"
PLAIN = "packets:1500/none/zero"
SINGLE, BURSTS = "packets:1500", "bursts:1500x4"  # harms of which the table has rows
UE_LINK = {"between": ["ue1", "edge1"], "bearer": "um", "queue_kb": 2000}


def prompts(count: int) -> list[str]:
    """Return texts of about PROMPT_TOKENS tokens, without blank lines, which separate prompts."""
    tokenizer = load_tokenizer(shipped_folder(MODEL))
    tokens = np.array(tokenizer.encode(shipped_text()).ids)
    scored, _ = windows(tokens, PROMPT_TOKENS, count, SHIPPED_TEXT)
    texts = [tokenizer.decode(window) for window in scored.tolist()]
    return ["\n".join(line for line in text.splitlines() if line.strip()) for text in texts]


def random_loss(loss: float) -> dict[str, Any]:
    """Return the links of a scenario: one, which loses each packet with this probability."""
    return {"links": [UE_LINK | {"rate_mbps": 100, "delay_ms": 5, "loss": loss}]}


def fading() -> dict[str, Any]:
    """Return the cell and links of a scenario: a UE in a street moves at 8 m/s, and a block that fails is lost.

    Link adaptation aims at 5 % of the blocks. It learns of a fade 4 to 9 ms late, so that several blocks in a row fail.
    """
    return {
        "cells": {
            "edge1": {
                "preset": "n78-street",
                "sites_m": [[0, 0]],
                "adaptation": {"bler_target": 0.05},
                "harq": {"max_transmissions": 1},
            }
        },
        "links": [UE_LINK | {"radio": {"to_and_fro_m": [[200, 0], [200, 100]], "speed_mps": 8}}],
    }


def scenario(name: str, tasks: int, delivery: str, links: dict[str, Any]) -> dict[str, Any]:
    """Return a scenario of `tasks` tasks over these `links`, with the cells that they need."""
    return {
        "name": name,
        "seed": 1,
        "duration_s": tasks * INTERVAL_S,
        "nodes": [
            {"name": "ue1", "role": "ue", "device": "phone"},
            {"name": "edge1", "role": "edge", "device": "server"},
        ],
        "devices": {
            "phone": {"compute_gflops": 100, "memory_mb": 2000, "memory_gb_per_s": 20},
            "server": {"compute_gflops": 100, "memory_mb": 2000, "memory_gb_per_s": 20},
        },
        **links,
        "tasks": [
            {
                "name": "text",
                "model": MODEL,
                "sources": "ue1",
                "arrivals": {"periodic": {"interval_ms": 1e3 * INTERVAL_S}},
                "deadline_ms": 10_000,
                "tokens": {"prompt_max": PROMPT_TOKENS, "output_mean": 1, "output_max": 1},
                "prompts": {"file": "prompts.txt", "separator": "paragraph"},
                "activation": "int8",
                "delivery": delivery,
                "cuts": [CUT],
                "transport": "udp",
            }
        ],
        "control": {"node": "edge1"},
        "cost": {"failure_s": 20, "quality_s": {"text": 1.0}},
        "policies": [{"type": "fixed", "splits": {"text": {"cut": CUT, "node": "edge1"}}}],
        "realtime": {"grace_s": 20, "lateness_ms": 1_000},
    }


def measure(name: str, tasks: int, delivery: str, links: dict[str, Any], out: Path) -> pd.DataFrame:
    """Emulate and return quality.csv. Raises RuntimeError if the emulation fails."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "prompts.txt").write_text("\n\n".join(prompts(tasks)), encoding="utf-8")
    path = out / f"{name}.yaml"
    path.write_text(yaml.safe_dump(scenario(name, tasks, delivery, links)), encoding="utf-8")
    command = own_process("airsplit", "emulate", str(path), "--out", str(out / "runs"), "--json")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 5):  # 5: a check of timing failed, which a busy processor can cause
        raise RuntimeError(f"{path}: exit {done.returncode}: {done.stderr.strip()}")
    return pd.read_csv(max((out / "runs" / name).glob("*/quality.csv")))  # folders are named by their time


def predicted_by(delivery: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return quality.csv with the predictions that the quality table's rows of this delivery make."""
    curve = load_quality(MODEL).curve(CUT, "int8", delivery)
    bounds = [curve.interval_at(share) for share in table["erased_share"]]
    low, high = zip(*bounds, strict=True)
    return table.assign(predicted=[curve.at(share) for share in table["erased_share"]], low=low, high=high)


def row_of(link: str, delivery: str, table: pd.DataFrame) -> dict[str, Any]:
    """Return the row of a link from quality.csv."""
    measured, predicted = table["quality_loss"].mean(), table["predicted"].mean()
    sampling = sampling_error(table["quality_loss"])
    low, high = table["low"].mean(), table["high"].mean()
    margin = np.hypot(sampling, predicted - low if measured < predicted else high - predicted)
    return {
        "benchmark": "quality_on_air",
        "delivery": delivery,
        "link": link,
        "tasks": len(table),
        "erased_share": round(float(table["erased_share"].mean()), 4),
        "measured": round(float(measured), 4),
        "sampling_error": round(float(sampling), 4),
        "predicted": round(float(predicted), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "agrees": bool(abs(measured - predicted) <= margin),
    }


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Measure the quality of answers with real packets.")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--loss", type=float, nargs="+", default=[0.01, 0.05, 0.1])
    parser.add_argument("--tasks", type=int, default=24)
    parser.add_argument("--plain", action="store_true", help="without interleaving, concealment and protection")
    parser.add_argument("--fading", action="store_true", help="over a fading link, instead of random losses")
    arguments = parser.parse_args()
    delivery, rows = PLAIN if arguments.plain else DELIVERY, []
    if arguments.fading:
        table = measure("quality-fading", arguments.tasks, delivery, fading(), arguments.out)
        for harm in (SINGLE, BURSTS):
            name = delivery.replace(SINGLE, harm)
            rows.append(row_of("fading", name, predicted_by(name, table)))
            print(json.dumps(rows[-1]), flush=True)
        return 0 if rows[-1]["agrees"] else 1
    for loss in arguments.loss:
        table = measure(f"quality-{loss:g}", arguments.tasks, delivery, random_loss(loss), arguments.out)
        rows.append(row_of(f"loss {loss:g}", delivery, table))
        print(json.dumps(rows[-1]), flush=True)
    return 0 if all(row["agrees"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
