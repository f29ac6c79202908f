"""JSON output is strict: readers other than Python's refuse NaN and Infinity."""

import json
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airsplit.cli.output import print_json
from emulator.core.strict_json import json_text

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.floats(width=32).map(np.float32)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner)
)


def refuse(constant: str) -> NoReturn:
    raise AssertionError(constant)


def strict(text: str) -> Any:
    return json.loads(text, parse_constant=refuse)


@given(values)
def test_json_of_any_value_is_strict(value: object) -> None:
    strict(json_text(value))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -np.inf, np.float32("nan"), np.float64("inf")])
def test_number_that_does_not_exist_is_null(number: float, capsys: pytest.CaptureFixture[str]) -> None:
    print_json([{"correlation": number, "rows": np.int64(3), "flag": np.bool_(True), "means": np.array([1.5, number])}])
    assert strict(capsys.readouterr().out) == [{"correlation": None, "rows": 3, "flag": True, "means": [1.5, None]}]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_finite_number_keeps_its_value(number: float) -> None:
    assert strict(json_text({"x": number})) == {"x": number}
