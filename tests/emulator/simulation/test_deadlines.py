"""Deadlines on the whole, on the first token and on further tokens: closed forms, brute force, equal engines."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.core.units import NS_PER_MS
from emulator.deadlines import NO_DEADLINE_NS, missed_deadlines, time_per_token_ns
from emulator.policy import EngineName
from emulator.record import Records, records_sha256
from emulator.simulation import Simulation
from emulator.system import System
from emulator.task import parse
from emulator.workload import Recorded, Stream
from tests.emulator.systems import CHAT, IMAGE, Fixed, Row, pairs, with_stream

ENGINES: tuple[EngineName, ...] = ("compiled", "simpy")
times_ns = st.integers(0, 2**55)


def run(system: System, place: str, engine: EngineName, folder: Path) -> tuple[list[Row], str]:
    (kind,) = system.kinds
    with Records(folder) as records:
        Simulation(system, None, engine).run(Fixed({("ue1", kind): parse(place)}), "x", records)
    paths = [folder / "tasks.parquet", folder / "stages.parquet"]
    return pq.read_table(paths[0]).to_pylist(), records_sha256(paths)


@given(times_ns, times_ns, st.integers(0, 5000))
def test_time_per_token_is_the_mean_rounded_up(first_ns: int, further_ns: int, tokens: int) -> None:
    found = time_per_token_ns(first_ns + further_ns, first_ns, tokens)
    if tokens < 2:
        assert found is None
    else:
        assert found is not None
        assert 0 <= found - Fraction(further_ns, tokens - 1) < 1
    assert time_per_token_ns(first_ns, None, tokens) is None


@given(times_ns, st.none() | times_ns, st.none() | times_ns)
def test_a_deadline_is_missed_by_one_nanosecond(sojourn_ns: int, ttft_ns: int | None, token_ns: int | None) -> None:
    whole, first, further = sojourn_ns, ttft_ns or 0, token_ns or 0
    met = replace(CHAT, deadline_ns=whole, deadline_ttft_ns=first, deadline_token_ns=further)
    assert missed_deadlines(met, sojourn_ns, ttft_ns, token_ns) == ""
    late = replace(CHAT, deadline_ns=whole - 1, deadline_ttft_ns=first - 1, deadline_token_ns=further - 1)
    known = {"total": sojourn_ns, "ttft": ttft_ns, "token": token_ns}
    expected = "+".join(name for name, time_ns in known.items() if time_ns is not None)
    assert missed_deadlines(late, sojourn_ns, ttft_ns, token_ns) == expected
    assert missed_deadlines(replace(CHAT, deadline_ns=NO_DEADLINE_NS), sojourn_ns, ttft_ns, token_ns) == ""


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 9)), min_size=1, max_size=6),
    st.sampled_from(("ue1:0-4", "edge1:0-4", "ue1:0-2|edge1:2-4")),
    st.tuples(*(st.integers(1, 400),) * 3),
)
def test_engines_agree_and_equal_the_definition(
    lengths: list[tuple[int, int]], place: str, limits_ms: tuple[int, int, int]
) -> None:
    total, ttft, token = (limit * NS_PER_MS // divisor for limit, divisor in zip(limits_ms, (1, 2, 20), strict=True))
    kind = replace(CHAT, deadline_ns=total, deadline_ttft_ns=ttft, deadline_token_ns=token)
    arrivals = Recorded(tuple(range(len(lengths))), *(tuple(column) for column in zip(*lengths, strict=True)))
    system = with_stream(pairs(1), Stream("ue1", kind, arrivals))
    digests = set()
    for engine in ENGINES:
        with TemporaryDirectory() as folder:
            rows, digest = run(system, place, engine, Path(folder))
        digests.add(digest)
        for row in rows:
            if row["outcome"] == "failed":
                assert (row["token_ns"], row["missed"], row["deadline_met"]) == (None, "", False)
                continue
            times = (row["sojourn_ns"], row["ttft_ns"], row["token_ns"])
            assert row["token_ns"] == time_per_token_ns(row["sojourn_ns"], row["ttft_ns"], row["output_tokens"])
            assert row["missed"] == missed_deadlines(kind, *times)
            assert row["outcome"] == ("missed" if row["missed"] else "done")
            assert row["reason"] == ""
    assert len(digests) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_each_deadline_alone_can_be_missed(engine: EngineName, tmp_path: Path) -> None:
    arrivals = Recorded((0,), (30,), (5,))
    (row,), _ = run(with_stream(pairs(1), Stream("ue1", CHAT, arrivals)), "ue1:0-4", engine, tmp_path)
    for name, limit_ns, expected in (
        ("deadline_ns", row["sojourn_ns"], "total"),
        ("deadline_ttft_ns", row["ttft_ns"], "ttft"),
        ("deadline_token_ns", row["token_ns"], "token"),
    ):
        for least, missed in ((0, ""), (1, expected)):
            kind = replace(CHAT, **{"deadline_ns": NO_DEADLINE_NS, name: limit_ns - least})
            (found,), _ = run(with_stream(pairs(1), Stream("ue1", kind, arrivals)), "ue1:0-4", engine, tmp_path)
            assert (found["missed"], found["outcome"]) == (missed, "missed" if missed else "done")
            assert found["sojourn_ns"] == row["sojourn_ns"]


@pytest.mark.parametrize("engine", ENGINES)
def test_images_miss_no_deadline_of_tokens(engine: EngineName, tmp_path: Path) -> None:
    kind = replace(IMAGE, deadline_ns=NO_DEADLINE_NS, deadline_ttft_ns=0, deadline_token_ns=0)
    (row,), _ = run(with_stream(pairs(1), Stream("ue1", kind, Recorded((0,)))), "ue1:0-5", engine, tmp_path)
    assert (row["missed"], row["token_ns"]) == ("", None)
