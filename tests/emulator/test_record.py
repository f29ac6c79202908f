"""Records are written row by row, read back unchanged, and digested by their values."""

import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emulator.record import ROW_GROUP_ROWS, STAGE_SCHEMA, TASK_SCHEMA, Records, RowWriter, records_sha256

SMALL = pa.schema(
    [("policy", pa.dictionary(pa.int32(), pa.string())), ("task", pa.int64()), ("energy_j", pa.float64())]
)


def task_row(number: int) -> tuple[Any, ...]:
    names = (f"policy{number % 2}", f"ue{number % 3}", "image", number)
    parts = (number, 2, 3, 4, 1)
    energies_j = (0.1 * number, 0.02 * number, 0.03 * number, 0.05 * number, 0.0)
    tokens = (None, None) if number % 2 else (number, 4)
    ttft_ns = None if number % 2 else 5
    return (
        *names,
        10 * number,
        *tokens,
        "ue1:0-4",
        *parts,
        number + 9,
        ttft_ns,
        None if number % 2 else 1 + (number + 3) // 3,
        *energies_j,
        0.25,
        None if number % 2 else 0.125,
        True,
        "done",
        "",
        "",
        1,
        "modelled",
    )


def stage_row(number: int) -> tuple[Any, ...]:
    return (
        "exact",
        "ue1",
        "image",
        number,
        0,
        "edge1",
        0,
        4,
        "int4",
        number,
        2,
        3,
        4,
        1,
        0.5,
        0.0,
        0.0,
        0.5,
        0.0,
        0.0,
        None if number % 2 else 0.125,
        "measured",
        "w1",
    )


def write(path: Path, count: int) -> Path:
    return write_all(path, ((f"policy{number % 5}", number, number / 7) for number in range(count)))


def write_all(path: Path, values: Iterable[tuple[Any, ...]]) -> Path:
    rows = RowWriter(path, SMALL)
    for row in values:
        rows.append(row)
    rows.close()
    return path


def test_rows_are_read_back_unchanged(tmp_path: Path) -> None:
    with Records(tmp_path) as records:
        for number in range(100):
            records.tasks.append(task_row(number))
            records.stages.append(stage_row(number))
    tasks, stages = pq.read_table(tmp_path / "tasks.parquet"), pq.read_table(tmp_path / "stages.parquet")
    assert tasks.schema.equals(TASK_SCHEMA) and stages.schema.equals(STAGE_SCHEMA)
    assert [tuple(row.values()) for row in tasks.to_pylist()] == [task_row(number) for number in range(100)]
    assert [tuple(row.values()) for row in stages.to_pylist()] == [stage_row(number) for number in range(100)]


def test_rows_one_by_one_and_many_at_once_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    rows = RowWriter(path, SMALL)
    many = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1], pa.int32()), pa.array(["b", "a"]))
    rows.append(("a", 0, 0.5))
    rows.extend({"energy_j": np.array([1.5, 2.5, 3.5]), "task": np.array([1, 2, 3]), "policy": many})
    rows.append(("c", 4, 4.5))
    rows.close()
    assert pq.read_table(path).to_pylist() == [
        {"policy": name, "task": number, "energy_j": number + 0.5} for number, name in enumerate("aabac")
    ]
    one_by_one = write_all(
        tmp_path / "one.parquet", [("a", 0, 0.5), ("a", 1, 1.5), ("b", 2, 2.5), ("a", 3, 3.5), ("c", 4, 4.5)]
    )
    assert pq.read_table(one_by_one).to_pylist() == pq.read_table(path).to_pylist()


def test_a_run_without_tasks_leaves_empty_tables(tmp_path: Path) -> None:
    with Records(tmp_path):
        pass
    assert pq.read_table(tmp_path / "tasks.parquet").num_rows == 0
    assert pq.read_schema(tmp_path / "stages.parquet").equals(STAGE_SCHEMA)


def test_rows_before_an_error_are_kept(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Records(tmp_path) as records:
        records.tasks.append(task_row(7))
        raise ZeroDivisionError
    assert pq.read_table(tmp_path / "tasks.parquet").to_pylist()[0]["task"] == 7


def test_rows_are_written_in_groups_of_bounded_size(tmp_path: Path) -> None:
    file = pq.ParquetFile(write(tmp_path / "rows.parquet", 2 * ROW_GROUP_ROWS + 10))
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    assert sizes == [ROW_GROUP_ROWS, ROW_GROUP_ROWS, 10]
    assert file.read(["task"])["task"].to_pylist() == list(range(2 * ROW_GROUP_ROWS + 10))


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """The peak of four times as many rows is the same to a tenth: Python's own memory and Arrow's."""
    peaks = []
    for groups in (1, 4):
        tracemalloc.start()
        write(tmp_path / "rows.parquet", groups * ROW_GROUP_ROWS)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert pa.total_allocated_bytes() < ROW_GROUP_ROWS * 100
    assert peaks[1] < 1.1 * peaks[0]


def rewrite(path: Path, to: Path, table: pa.Table | None = None, **options: Any) -> Path:
    pq.write_table(table or pq.read_table(path), to, row_group_size=ROW_GROUP_ROWS, **options)
    return to


def test_digest_depends_on_values_and_not_on_storage(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", 1_000)
    digest = records_sha256([path])
    others = [
        rewrite(path, tmp_path / f"{name}.parquet", **options)
        for name, options in {
            "plain": {"compression": "none", "use_dictionary": False},
            "gzip": {"compression": "gzip", "write_statistics": False},
            "old": {"version": "1.0", "data_page_size": 100},
        }.items()
    ]
    assert len({other.read_bytes() for other in others} | {path.read_bytes()}) == 4
    assert {records_sha256([other]) for other in others} == {digest}


def test_digest_does_not_depend_on_the_order_of_the_dictionary(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", 10)
    table = pq.read_table(path)
    names = pa.array([f"policy{number}" for number in (4, 3, 2, 1, 0)])
    indices = pa.array([4 - number % 5 for number in range(10)], pa.int32())
    turned = table.set_column(0, table.schema.field(0), pa.DictionaryArray.from_arrays(indices, names))
    assert turned.to_pylist() == table.to_pylist()
    assert records_sha256([rewrite(path, tmp_path / "turned.parquet", turned)]) == records_sha256([path])


@pytest.mark.parametrize(
    ("column", "value"), [("policy", "policy9"), ("policy", ""), ("task", -1), ("energy_j", 4 / 7 * (1 + 1e-15))]
)
def test_digest_depends_on_every_value(tmp_path: Path, column: str, value: object) -> None:
    path = write(tmp_path / "rows.parquet", 10)
    rows = pq.read_table(path).to_pylist()
    rows[4][column] = value
    changed = rewrite(path, tmp_path / "changed.parquet", pa.Table.from_pylist(rows, SMALL))
    assert records_sha256([changed]) != records_sha256([path])


def test_digest_depends_on_the_order_of_rows_columns_and_files(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", 10)
    table = pq.read_table(path)
    turned = rewrite(path, tmp_path / "turned.parquet", table.take(list(range(9, -1, -1))))
    swapped = rewrite(path, tmp_path / "swapped.parquet", table.select(["task", "policy", "energy_j"]))
    digests = [records_sha256(paths) for paths in ([path], [turned], [swapped], [path, turned], [turned, path])]
    assert len(set(digests)) == 5
