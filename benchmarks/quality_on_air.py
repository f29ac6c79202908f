"""The quality of answers over links that lose packets, with real packets, against the quality table.

`python -m benchmarks.quality_on_air --out FOLDER` (root, Mininet, the package of smollm2-135m; two minutes for each of
1, 5 and 10 % random loss) emulates tasks on windows of 128 tokens of Python's manual, cut before layer 16, and prints a
JSON line for each loss rate: the mean loss of quality that the hosts' answers measured, with half the 95 % interval of
its sampling error, beside the prediction of the table at the shares of packets that were lost. It exits with 1 unless
they agree within both intervals.
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

MODEL, CUT = "smollm2-135m", 16
PROMPT_TOKENS = 128
INTERVAL_S = 2.0  # between two tasks: each takes half a second where the processors are free
DELIVERY = "packets:1500/scatter/mean/t1/d4"
PLAIN = "packets:1500/none/zero"


def prompts(count: int) -> list[str]:
    """Return texts of about PROMPT_TOKENS tokens, without blank lines, which separate prompts."""
    tokenizer = load_tokenizer(shipped_folder(MODEL))
    tokens = np.array(tokenizer.encode(shipped_text()).ids)
    scored, _ = windows(tokens, PROMPT_TOKENS, count, SHIPPED_TEXT)
    texts = [tokenizer.decode(window) for window in scored.tolist()]
    return ["\n".join(line for line in text.splitlines() if line.strip()) for text in texts]


def scenario(loss: float, tasks: int, delivery: str) -> dict[str, Any]:
    """Return a scenario of `tasks` tasks over one link with this random loss."""
    return {
        "name": f"quality-{loss:g}",
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
        "links": [
            {
                "between": ["ue1", "edge1"],
                "rate_mbps": 100,
                "delay_ms": 5,
                "bearer": "um",
                "loss": loss,
                "queue_kb": 2000,
            }
        ],
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


def measure(loss: float, tasks: int, delivery: str, out: Path) -> dict[str, Any]:
    """Emulate and return the row of a loss rate. Raises RuntimeError if the emulation fails."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "prompts.txt").write_text("\n\n".join(prompts(tasks)), encoding="utf-8")
    path = out / f"loss-{loss:g}.yaml"
    path.write_text(yaml.safe_dump(scenario(loss, tasks, delivery)), encoding="utf-8")
    command = own_process("airsplit", "emulate", str(path), "--out", str(out / "runs"), "--json")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 5):  # 5: a check of timing failed, which a busy processor can cause
        raise RuntimeError(f"{path}: exit {done.returncode}: {done.stderr.strip()}")
    latest = max((out / "runs" / f"quality-{loss:g}").glob("*/quality.csv"))  # folders are named by their time
    return row_of(loss, delivery, pd.read_csv(latest))


def row_of(loss: float, delivery: str, table: pd.DataFrame) -> dict[str, Any]:
    """Return the row of a loss rate from quality.csv."""
    measured, predicted = table["quality_loss"].mean(), table["predicted"].mean()
    sampling = sampling_error(table["quality_loss"])
    low, high = table["low"].mean(), table["high"].mean()
    margin = np.hypot(sampling, predicted - low if measured < predicted else high - predicted)
    return {
        "benchmark": "quality_on_air",
        "delivery": delivery,
        "loss": loss,
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
    arguments = parser.parse_args()
    rows = []
    for loss in arguments.loss:
        rows.append(measure(loss, arguments.tasks, PLAIN if arguments.plain else DELIVERY, arguments.out))
        print(json.dumps(rows[-1]), flush=True)
    return 0 if all(row["agrees"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
