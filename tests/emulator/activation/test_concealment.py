"""Concealment and protection: exactly the lost scalars are filled, and the protected ones never get lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.activation.concealment import CONCEALMENTS, Calibration, Protection, fill
from emulator.activation.delivery import ActivationDelivery, Recipe, parse_delivery, parse_recipe
from emulator.activation.harms import parse_harm
from emulator.core.arrays import Flags, Float32s

CALIBRATION = Calibration(np.arange(5, dtype=np.float32) + 100, np.array([3, 1, 0, 2, 4]))


def drawn(seed: int, tokens: int = 6) -> tuple[Float32s, Flags]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((tokens, 5)).astype(np.float32), rng.random((tokens, 5)) < 0.5


@given(st.sampled_from(list(CONCEALMENTS)), st.integers(0, 2**32))
def test_exactly_the_lost_are_filled(concealment: str, seed: int) -> None:
    values, lost = drawn(seed)
    before = values.copy()
    filled = fill(values, lost, concealment, CALIBRATION)
    assert (values == before).all()
    assert ((filled == values) | lost).all()
    for token, dimension in np.argwhere(lost).tolist():
        arrived = [values[t, dimension] for t in range(token) if not lost[t, dimension]]
        wanted = {"zero": 0, "mean": 100 + dimension, "previous": arrived[-1] if arrived else 0}[concealment]
        assert filled[token, dimension] == wanted


@given(st.integers(0, 7), st.integers(0, 6))
def test_protection_counts(tokens: int, dimensions: int) -> None:
    flags = Protection(tokens, dimensions).flags(6, 5, CALIBRATION)
    wanted = np.zeros((6, 5), np.bool_)
    wanted[:tokens] = True
    for dimension in [3, 1, 0, 2, 4][:dimensions]:
        wanted[:, dimension] = True
    assert (flags == wanted).all()


@given(
    st.sampled_from(["scalars", "packets:7", "bursts:7x3", "tokens", "noise", "noise:1"]),
    st.sampled_from(["none/zero", "scatter/mean", "tokens/previous"]),
    st.integers(0, 2**32),
)
def test_protected_scalars_arrive(harm: str, recipe: str, seed: int) -> None:
    values, _ = drawn(seed)
    delivery = parse_delivery(f"{harm}/{recipe}/t1/d2")
    received = delivery.harmed(values, 0.7, values.size, CALIBRATION, np.random.default_rng(seed))
    assert (received[0] == values[0]).all()
    assert (received[:, [3, 1]] == values[:, [3, 1]]).all()
    assert (received[1:, [0, 2, 4]] != values[1:, [0, 2, 4]]).any()


@pytest.mark.parametrize("harm", ["scalars", "packets:3", "bursts:3x2", "tokens", "noise"])
@pytest.mark.parametrize("recipe", ["none/zero", "scatter/mean/t1", "tokens/previous/d1"])
def test_level_zero_changes_nothing(harm: str, recipe: str) -> None:
    values, _ = drawn(0)
    received = parse_delivery(f"{harm}/{recipe}").harmed(values, 0.0, 30, CALIBRATION, np.random.default_rng(0))
    assert (received == values).all()


def test_packets_hold_as_many_scalars_as_the_codec_lets_them() -> None:
    values = np.ones((1, 100), np.float32)
    lost = [
        int(
            (
                parse_delivery("packets:10/none/zero").harmed(values, 0.1, size, None, np.random.default_rng(0)) == 0
            ).sum()
        )
        for size in (100, 50)  # 10 packets of 10 scalars, 5 packets of 20 of which half a one is lost in the mean
    ]
    assert lost[0] == 10
    assert lost[1] in (0, 20)


@pytest.mark.parametrize("text", ["none/zero", "scatter/mean/t1", "tokens/previous/d4", "scatter/mean/t2/d16"])
def test_texts(text: str) -> None:
    assert str(parse_recipe(text)) == text
    assert parse_delivery(f"bursts:1500x4/{text}") == ActivationDelivery(
        parse_harm("bursts:1500x4"), parse_recipe(text)
    )
    assert str(parse_delivery(f"packets:99/{text}")) == f"packets:99/{text}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "none",
        "none/zero/x1",
        "none/zero/t0",
        "none/zero/t",
        "none/zero/d1/t1",
        "none/zero/t1/t2",
        "none/zero/",
        "none/zero/d65",
    ],
)
def test_bad_texts(text: str) -> None:
    with pytest.raises(ValueError, match=rf"^recipe={text}: "):
        parse_recipe(text)


def test_refusals() -> None:
    values, lost = drawn(0)
    with pytest.raises(ValueError, match=r"^concealment=guess: must be one of zero, mean, previous$"):
        fill(values, lost, "guess", None)
    with pytest.raises(ValueError, match=r"^interleaving=rows: must be one of none, scatter, tokens$"):
        Recipe("rows")
    with pytest.raises(ValueError, match=r"^concealment=mean: needs the calibration of this cut"):
        fill(values, lost, "mean", None)
    with pytest.raises(ValueError, match=r"^protection: needs the calibration of this cut"):
        Protection(dimensions=1).flags(6, 5, None)
