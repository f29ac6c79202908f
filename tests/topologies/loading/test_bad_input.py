import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.settings import A3cSettings, PpoSettings
from tests.topologies.loading.bad_scenarios import CASES, GOOD, Case
from topologies.build import build, training_system
from topologies.loading.checks import RENAMED_SETTINGS
from topologies.loading.loader import load, prefix_errors


def test_the_scenario_that_cases_spoil_is_good(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    assert len(build(load(path), tmp_path).links) == 6


def test_there_are_many_cases_and_none_twice() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 40


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_one_line_names_file_path_value_and_rule(case: Case, tmp_path: Path) -> None:
    path = case.write(tmp_path)
    with pytest.raises(ValueError, match=re.escape(case.expected)) as caught:
        scenario = load(path, case.overrides)
        with prefix_errors(path):
            build(scenario, tmp_path)
    message = str(caught.value)
    assert message.startswith("bad.yaml: ")
    assert message.count("bad.yaml: ") == 1
    assert case.file in message
    assert "\n" not in message


def test_renamed_settings_are_no_settings_and_their_new_names_are() -> None:
    known = {each.name for each in (*fields(PpoSettings), *fields(A3cSettings))}
    assert not known & set(RENAMED_SETTINGS)
    assert known >= set(RENAMED_SETTINGS.values())


def test_training_refuses_the_data_of_the_run_even_from_a_copied_file(tmp_path: Path) -> None:
    path = tmp_path / "copied.yaml"
    rates = "".join(f"{second} {1 + second % 7}\n" for second in range(30))
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text(rates)
    up = "{trace: {file: a.log, format: rate, interval_s: [0, 10], training_interval_s: [10, 20]}}"
    down = "{trace: {file: b.log, format: rate, interval_s: [5, 15], training_interval_s: [20, 30]}}"
    path.write_text(GOOD.replace("uplink: {}", f"uplink: {up}").replace("{rate_mbps: 50}", down))
    with pytest.raises(ValueError, match="training must share no data with") as caught:
        training_system(load(path), tmp_path, 0)
    assert "\n" not in str(caught.value)


def places(value: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every value below the top."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield (*way, key)
        yield from places(below, (*way, key))


JUNK: list[object] = [
    None,
    True,
    -1,
    0,
    1e308,
    10**30,
    float("nan"),
    "",
    "x",
    "ue{i}",
    "a\nb",
    [],
    [[]],
    {},
    {"": 1},
    {1: 2},
    [None],
]


@settings(max_examples=400)
@given(way=st.sampled_from(list(places(yaml.safe_load(GOOD)))), junk=st.sampled_from(JUNK))
def test_junk_anywhere_gives_one_line_or_does_no_harm(
    tmp_path_factory: pytest.TempPathFactory, way: tuple[str | int, ...], junk: object
) -> None:
    data = yaml.safe_load(GOOD)
    place = data
    for key in way[:-1]:
        place = place[key]
    place[way[-1]] = junk
    path = tmp_path_factory.getbasetemp() / "junk.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    try:
        load(path)
    except ValueError as error:
        assert str(error).startswith("junk.yaml: ")
        assert "\n" not in str(error)
