"""Azure LLM request traces as arrivals: values from hand, and strict reading."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build import build
from topologies.build.azure_requests import read_azure
from topologies.loading.loader import load
from topologies.schema.workloads import RecordedSection

# The first lines of AzureLLMInferenceTrace_code.csv of 2023, and the form of the times of 2024.
OF_2023 = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,8
2023-11-16 18:17:04.0781490,110,27
"""
OF_2024 = """TIMESTAMP,ContextTokens,GeneratedTokens
2024-05-10 23:59:59.999999+00:00,2162,5
2024-05-11 00:00:01+00:00,2399,6
"""


def section(**keys: object) -> RecordedSection:
    return RecordedSection.model_validate({"file": "a.csv", "format": "azure"} | keys)


def written(folder: Path, text: str) -> Path:
    path = folder / "a.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_times_count_from_the_first_request(tmp_path: Path, ends: str) -> None:
    read = read_azure(written(tmp_path, OF_2023.replace("\n", ends)), section())
    assert read.arrival_ns == (0, 52_000_000, 98_189_000)
    assert (read.prompt_tokens, read.output_tokens) == ((4808, 3180, 110), (10, 8, 27))
    read = read_azure(written(tmp_path, OF_2024), section())
    assert read.arrival_ns == (0, 1_000_001_000)


def test_part_scale_and_longest_lengths(tmp_path: Path) -> None:
    path = written(tmp_path, OF_2023)
    read = read_azure(path, section(interval_s=[0.05, 0.098189], time_scale=10, prompt_max=2048, output_max=4))
    assert (read.arrival_ns, read.prompt_tokens, read.output_tokens) == ((20_000_000,), (2048,), (4,))


@given(
    st.lists(
        st.tuples(st.integers(0, 10**12), st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1, max_size=20
    ).map(sorted)
)
def test_written_requests_are_read(
    tmp_path_factory: pytest.TempPathFactory, requests: list[tuple[int, int, int]]
) -> None:
    lines = ["TIMESTAMP,ContextTokens,GeneratedTokens"]
    for micros, prompt, output in requests:
        lines.append(f"{datetime(2024, 2, 28) + timedelta(microseconds=micros)},{prompt},{output}")
    read = read_azure(written(tmp_path_factory.mktemp("azure"), "\n".join(lines)), section())
    assert read.arrival_ns == tuple(1000 * (each[0] - requests[0][0]) for each in requests)
    assert read.prompt_tokens == tuple(each[1] for each in requests)
    assert read.output_tokens == tuple(each[2] for each in requests)


HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have a request in the part from 0 s on"),
        (HEAD, "must have a request in the part from 0 s on"),
        ("TIMESTAMP,ContextTokens\n", "line 1: must be TIMESTAMP,ContextTokens,GeneratedTokens"),
        (HEAD + "2023-11-16 18:17:03,5\n", "line 2: must have 3 fields, not 2"),
        (HEAD + "\n", "line 2: must have 3 fields, not 0"),
        (HEAD + "2023-11-16 18:17:03,0,5\n", "line 2: ContextTokens=0: must be a whole number from 1"),
        (HEAD + "2023-11-16 18:17:03,5,-1\n", "line 2: GeneratedTokens=-1: must be a whole number from 1"),
        (HEAD + "2023-11-16 18:17:03,5,1.5\n", "line 2: GeneratedTokens=1.5: must be a whole number from 1"),
        (HEAD + "2023-11-16 18:17:03,9999999999,5\n", "line 2: ContextTokens=9999999999: must be a whole number"),
        (HEAD + "2023-02-30 18:17:03,5,5\n", "line 2: TIMESTAMP=2023-02-30 18:17:03: must be a time such as"),
        (HEAD + "2023-11-16T18:17:03,5,5\n", "line 2: TIMESTAMP=2023-11-16T18:17:03: must be a time such as"),
        (HEAD + "2023-11-16 18:17:03+02:00,5,5\n", r"TIMESTAMP=2023-11-16 18:17:03\+02:00: must be a time such as"),
        (HEAD + "2023-11-16 18:17:03,5,5\n2023-11-16 18:17:02,5,5\n", "line 3: TIMESTAMP=.*: must not be before"),
        (HEAD + '2023-11-16 18:17:03,5,"5\n', "must be CSV in UTF-8: "),
    ],
)
def test_anything_else_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=message) as caught:
        read_azure(path, section())
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_part_without_requests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must have a request in the part from 5 s on"):
        read_azure(written(tmp_path, OF_2023), section(interval_s=[5, 6]))


def test_scenario_takes_arrivals_and_lengths_from_the_trace(tmp_path: Path) -> None:
    path = written(tmp_path, OF_2023)
    (tmp_path / "own.yaml").write_text(GOOD)
    recorded = f"{{recorded: {{file: {path}, format: azure, prompt_max: 200}}}}"
    changes = [f"tasks[1].arrivals={recorded}", "tasks[1].tokens=null"]
    streams = build(load(tmp_path / "own.yaml", changes), tmp_path).streams
    tasks = list(next(each for each in streams if each.kind.model.family == "causal_lm").tasks(1, 90_000_000))
    assert [(each.arrival_ns, each.prompt_tokens, each.output_tokens) for each in tasks] == [
        (0, 200, 10),
        (52_000_000, 200, 8),
    ]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("{arrival_ns: [1], format: azure}", "format must only be given with file"),
        ("{file: a.csv, time_scale: 2}", "time_scale must only be given with format=azure"),
        ("{file: a.csv, format: azure, interval_s: [3, 2]}", "interval_s"),
        ("{file: a.csv, format: csv}", "format=csv: must be 'azure'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path: Path, keys: str, message: str) -> None:
    written(tmp_path, OF_2023)
    (tmp_path / "own.yaml").write_text(GOOD)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "own.yaml", [f"tasks[1].arrivals={{recorded: {keys}}}"])
