import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.learning.settings import A3cSettings, PpoSettings
from tests.topologies.loading.bad_scenarios import CASES, GOOD, Case
from topologies.build import build, training_system
from topologies.loading.loader import load, prefix_errors
from topologies.loading.task_checks import RENAMED_SETTINGS


def test_scenario_of_the_cases_is_valid_before_its_edits(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    assert len(build(load(path), tmp_path).links) == 6


def test_there_are_many_cases_with_different_ids() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 40


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_mistakes_have_a_line_each_with_file_path_value_and_message(case: Case, tmp_path: Path) -> None:
    path = case.write(tmp_path)
    with pytest.raises(ValueError, match=re.escape(case.expected.removeprefix("bad.yaml: "))) as caught:
        scenario = load(path, case.overrides)
        with prefix_errors(path):
            build(scenario, tmp_path)
    lines = str(caught.value).splitlines()
    assert len(lines) == case.lines
    assert all(re.match(r"bad\.yaml(:\d+)?: ", line) and line.count("bad.yaml:") == 1 for line in lines)
    assert any(case.file in line for line in lines)


def test_renamed_settings_map_unknown_names_to_known_names() -> None:
    known = {each.name for each in (*fields(PpoSettings), *fields(A3cSettings))}
    assert not known & set(RENAMED_SETTINGS)
    assert known >= set(RENAMED_SETTINGS.values())


def test_training_refuses_data_of_the_run_from_a_copied_file(tmp_path: Path) -> None:
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


def paths_of(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of all nested values."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield (*above, key)
        yield from paths_of(below, (*above, key))


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


VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.binary()
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=400)
@given(keys=st.sampled_from(list(paths_of(yaml.safe_load(GOOD)))), junk=st.sampled_from(JUNK) | VALUE)
def test_any_value_anywhere_is_accepted_or_refused_in_lines_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, keys: tuple[str | int, ...], junk: object
) -> None:
    data = yaml.safe_load(GOOD)
    place = data
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = junk
    path = tmp_path_factory.getbasetemp() / "junk.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    try:
        load(path)
    except ValueError as error:
        assert all(re.match(r"junk\.yaml(:\d+)?: ", line) for line in str(error).splitlines())
