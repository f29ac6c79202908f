"""Measured against predicted quality: groups of tasks by the share that was lost, and the figure."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from results.figures.measured_quality import measured_quality
from results.figures.quality_data import MAX_GROUPS, by_share, read_quality


def tasks_of(count: int, kind: str = "text", policy: str = "fixed@hosts") -> pd.DataFrame:
    share = np.random.default_rng(1).permutation(np.linspace(0, 0.2, count))
    names = {
        "policy": policy,
        "source": "ue1",
        "kind": kind,
        "cuts": "16",
        "codecs": "int8",
        "delivery": "packets:1500/scatter/mean",
    }
    names["unit"] = "nats a token" if kind == "text" else "accuracy"
    numbers = {"agreement": 1, "quality_loss": 2 * share, "predicted": share, "low": share - 0.1, "high": share + 0.1}
    return pd.DataFrame({**names, "task": range(count), "erased_share": share, **numbers})


def test_groups_have_the_means_of_tasks_with_similar_shares() -> None:
    means = by_share(pd.concat([tasks_of(40), tasks_of(3, "other")]))
    assert by_share(pd.concat([tasks_of(3), tasks_of(3, policy="random@hosts")]))["policy"].nunique() == 2
    assert means["kind"].tolist() == ["other"] + ["text"] * MAX_GROUPS
    text = means[means["kind"] == "text"]
    assert text["tasks"].tolist() == [8] * 5
    shares = np.linspace(0, 0.2, 40).reshape(5, 8)
    assert text["share"].to_numpy() == pytest.approx(shares.mean(axis=1))
    assert text["measured"].to_numpy() == pytest.approx(2 * shares.mean(axis=1))
    assert text["error"].to_numpy() == pytest.approx(2.364624 * 2 * shares.std(axis=1, ddof=1) / np.sqrt(8))
    assert (text["high"] - text["low"]).to_numpy() == pytest.approx(0.2)


def test_tasks_without_a_prediction_have_only_a_measurement() -> None:
    tasks = tasks_of(9).assign(predicted=np.nan, low=np.nan, high=np.nan)
    (row,) = by_share(tasks).to_dict("records")
    assert row["measured"] == pytest.approx(0.2)
    assert np.isnan(row["predicted"])


def test_file_survives_and_the_figure_is_vector(tmp_path: Path) -> None:
    tasks = pd.concat([tasks_of(20), tasks_of(20, "other").assign(erased_share=0.0)], ignore_index=True)
    tasks.to_csv(tmp_path / "quality.csv", index=False)
    read = read_quality(tmp_path / "quality.csv")
    assert read is not None
    pd.testing.assert_frame_equal(read, tasks)
    assert measured_quality(read, tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")
    assert read_quality(tmp_path / "absent.csv") is None


def test_another_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "quality.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"quality\.csv"):
        read_quality(tmp_path / "quality.csv")
