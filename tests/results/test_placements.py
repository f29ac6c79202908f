import pandas as pd
import pytest

from results.placements import device_share, placement_counts, placement_in_words


@pytest.mark.parametrize(
    ("placement", "words", "share"),
    [
        ("ue1:0-16", "all on device", 1.0),
        ("edge1:0-16", "all on edge1", 0.0),
        ("ue1:0-4|edge1:4-16", "4 on device, 12 on edge1", 0.25),
        ("ue1:0-4|edge1:4-16@int4", "4 on device, 12 on edge1 in int4", 0.25),
        ("ue1:0-4|edge1:4-8@int4|cloud:8-16@topk10", "4 on device, 4 on edge1, 8 on cloud in int4, topk10", 0.25),
        ("ue2:0-4|edge1:4-8|cloud:8-16", "4 on ue2, 4 on edge1, 8 on cloud", 0.0),
        ("", "none", 0.0),
    ],
)
def test_a_placement_in_words(placement: str, words: str, share: float) -> None:
    assert placement_in_words(placement, "ue1") == words
    assert device_share(placement, "ue1") == share


def test_counts_are_by_kind_over_all_sources() -> None:
    tasks = pd.DataFrame(
        [
            ("ue1", "image", "ue1:0-16"),
            ("ue2", "image", "ue2:0-16"),
            ("ue2", "image", "edge1:0-16"),
            ("ue2", "image", "ue1:0-16"),
            ("ue2", "text", "edge1:0-8"),
        ],
        columns=["source", "kind", "placement"],
    )
    counts = placement_counts(tasks).set_index(["kind", "words"])
    assert counts["tasks"].to_dict() == {
        ("image", "all on device"): 2,
        ("image", "all on edge1"): 1,
        ("image", "all on ue1"): 1,
        ("text", "all on edge1"): 1,
    }
    assert counts.loc[("image", "all on device"), "share"] == 0.5
    assert counts["share"].groupby("kind").sum().tolist() == [1.0, 1.0]
