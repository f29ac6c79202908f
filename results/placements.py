"""Describe placements in words that are the same for every source."""

import pandas as pd

from emulator.task import parse

SOURCE_NAME = "device"  # stands for the task's source


def placement_in_words(placement: str, source: str) -> str:
    """Describe `ue1:0-5|edge1:5-16` of a task of ue1 as `5 on device, 11 on edge1`, with
    `in int4` behind it if its activations are not in the default codec; a single node as `all on edge1`."""
    if not placement:
        return "none"
    partitions = parse(placement)
    nodes = [SOURCE_NAME if partition.node == source else partition.node for partition in partitions]
    if len(nodes) == 1:
        return f"all on {nodes[0]}"
    layers = [partition.stop - partition.first for partition in partitions]
    words = ", ".join(f"{count} on {node}" for node, count in zip(nodes, layers, strict=True))
    codecs = ", ".join(dict.fromkeys(partition.codec for partition in partitions if partition.codec))
    return f"{words} in {codecs}" if codecs else words


def device_share(placement: str, source: str) -> float:
    """Return the share of the layers that run at the source, 0 to 1."""
    partitions = parse(placement) if placement else ()
    own = sum(part.stop - part.first for part in partitions if part.node == source)
    return own / partitions[-1].stop if partitions else 0.0


def placement_counts(tasks: pd.DataFrame) -> pd.DataFrame:
    """Count how often each placement was chosen, over all sources: columns `kind`, `words`, `device_share`, `tasks`,
    `share` (of the kind's tasks), the most frequent of each kind first."""
    counts = tasks.groupby(["source", "kind", "placement"], observed=True).size().rename("tasks").reset_index()
    pairs = list(zip(counts["placement"], counts["source"], strict=True))
    counts["words"] = [placement_in_words(*pair) for pair in pairs]
    counts["device_share"] = [device_share(*pair) for pair in pairs]
    counts["kind"] = counts["kind"].astype(str)
    merged = counts.groupby(["kind", "words"], as_index=False).agg({"device_share": "first", "tasks": "sum"})
    merged["share"] = merged["tasks"] / merged.groupby("kind")["tasks"].transform("sum")
    return merged.sort_values(["kind", "tasks", "words"], ascending=[True, False, True], ignore_index=True)
