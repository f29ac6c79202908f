"""Results of earlier runs are found by content, never wrong, and never the reason that a run fails."""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core import cache as cache_module
from emulator.core.cache import Cache, user_cache
from emulator.core.files import file_sha256

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=8,
)


def text_of(cache: Cache, *inputs: object, made: str = "made") -> str:
    def save(value: str, path: Path) -> None:
        path.write_text(value)

    return cache.get("text", inputs, "txt", lambda: made, Path.read_text, save)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_field_second_process_takes_the_result_of_the_first(tmp_path: Path) -> None:
    first = Cache(tmp_path)
    assert [text_of(first, 1, made=made) for made in ("first", "again")] == ["first"] * 2
    assert first.reused == {}  # its own
    (file,) = files_in(tmp_path)
    again = Cache(tmp_path)
    assert text_of(again, 1, made="second") == "first"
    assert again.reused == {"text": file_sha256(file)}


@given(st.lists(PLAIN, max_size=3), st.lists(PLAIN, max_size=3))
def test_field_other_inputs_are_another_result(one: list[object], other: list[object]) -> None:
    assert (cache_module.digest_of(one) == cache_module.digest_of(other)) == (repr(one) == repr(other))


def test_field_order_of_settings_does_not_matter() -> None:
    assert cache_module.digest_of([{"a": 1, "b": 2}]) == cache_module.digest_of([{"b": 2, "a": 1}])


@pytest.mark.parametrize("changed", ["sources_sha256", "code_key", "versions_now"])
def test_field_other_code_libraries_or_processor_make_it_anew(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text_of(Cache(tmp_path), 1, made="old")
    monkeypatch.setattr(cache_module, changed, lambda: "other")
    monkeypatch.setattr(cache_module, "_environment_sha256", cache_module._environment_sha256.__wrapped__)
    assert text_of(Cache(tmp_path), 1, made="new") == "new"


@pytest.mark.parametrize("variable", cache_module.SETTINGS)
def test_field_settings_that_affect_rounding_make_it_anew(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MKL_CBWR, for instance, changes the weights of a trained agent."""
    text_of(Cache(tmp_path), 1, made="old")
    monkeypatch.setenv(variable, "other")
    monkeypatch.setattr(cache_module, "_environment_sha256", cache_module._environment_sha256.__wrapped__)
    assert text_of(Cache(tmp_path), 1, made="new") == "new"


def test_field_results_of_another_c_library_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home that containers share: `exp` and `sin` round otherwise in another version."""
    text_of(Cache(tmp_path), 1, made="old")
    monkeypatch.setattr("platform.libc_ver", lambda: ("glibc", "1.0"))
    monkeypatch.setattr(cache_module, "_environment_sha256", cache_module._environment_sha256.__wrapped__)
    assert text_of(Cache(tmp_path), 1, made="new") == "new"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("put", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero"), Path.touch])
def test_field_what_is_no_file_is_not_read(put: Callable[[Path], None], tmp_path: Path) -> None:
    text_of(Cache(tmp_path), 1, made="good")
    (file,) = files_in(tmp_path)
    file.unlink()
    put(file)
    again = Cache(tmp_path)
    assert text_of(again, 1, made="good") == "good"
    assert again.reused == {}


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"", lambda data: b"x" + data[1:]])
def test_field_damaged_file_is_made_anew(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    text_of(Cache(tmp_path), 1, made="good")
    (file,) = files_in(tmp_path)
    file.write_bytes(damage(file.read_bytes()))
    damaged = Cache(tmp_path)
    assert text_of(damaged, 1, made="good") == "good"
    assert damaged.reused == {}
    assert files_in(tmp_path) == [file]
    assert file.read_text() == "good"


def test_field_files_used_longest_ago_go_first(tmp_path: Path) -> None:
    for number in range(10):
        text_of(Cache(tmp_path, 1_000), number, made="x" * 100)
        os.utime(max(files_in(tmp_path), key=lambda path: path.stat().st_mtime_ns), (number, number))
    text_of(Cache(tmp_path, 1_000), 0)  # used now
    text_of(Cache(tmp_path, 1_000), "more", made="x" * 100)
    text_of(Cache(tmp_path, 1_000), "yet more", made="x" * 100)
    kept = [number for number in range(10) if text_of(Cache(tmp_path), number, made="new") != "new"]
    assert kept[0] == 0
    assert kept[1:] == list(range(10 - len(kept) + 1, 10))  # the oldest went
    assert 4 < len(kept) < 10


def test_field_long_run_stays_within_the_limit(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1_000)
    for number in range(100):
        text_of(cache, number, made="x" * 50)
        assert sum(path.stat().st_size for path in files_in(tmp_path)) <= 1_150


def test_field_folder_that_cannot_be_written_ends_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    cache = Cache(tmp_path / "file" / "folder")
    assert [text_of(cache, number) for number in range(3)] == ["made"] * 3
    (line,) = caplog.messages
    assert line.endswith("are not kept for later runs: Not a directory; set AIRSPLIT_CACHE to a folder that can be "
                         "written, or to nothing")  # fmt: skip


def test_field_full_disk_ends_no_run(tmp_path: Path) -> None:
    def save(value: str, path: Path) -> None:
        path.write_text(value[:2])
        raise OSError(28, "No space left on device")

    assert Cache(tmp_path).get("text", [1], "txt", lambda: "made", Path.read_text, save) == "made"
    assert files_in(tmp_path) == []


def test_field_error_of_the_maker_is_its_own(tmp_path: Path) -> None:
    def make() -> str:
        raise ValueError("links[0]: wrong")

    with pytest.raises(ValueError, match="wrong"):
        Cache(tmp_path).get("text", [1], "txt", make, Path.read_text, lambda value, path: None)


def _many(folder: Path, start: Any) -> None:
    start.wait()
    for number in range(40):
        assert text_of(Cache(folder, 2_000), number % 20, made="x" * 100) == "x" * 100


def test_field_processes_share_the_folder(tmp_path: Path) -> None:
    """All of them make, use and remove files at the same time."""
    context = multiprocessing.get_context("fork")
    start = context.Barrier(3)
    processes = [context.Process(target=_many, args=(tmp_path, start)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 3
    assert all(path.read_text() == "x" * 100 for path in files_in(tmp_path))


def test_field_folder_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable's folder, none if it is empty, or the home's if nobody else can write there; made when used."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("AIRSPLIT_CACHE")
    home = tmp_path / "airsplit"
    cache = user_cache()
    assert not home.exists()
    text_of(cache, 1)
    assert len(files_in(home)) == 1
    assert home.stat().st_mode & 0o077 == 0
    home.chmod(0o777)
    text_of(user_cache(), 2)
    assert len(files_in(home)) == 1
    monkeypatch.setenv("AIRSPLIT_CACHE", "")
    text_of(user_cache(), 3)
    assert len(files_in(tmp_path)) == 1
    monkeypatch.setenv("AIRSPLIT_CACHE", str(tmp_path / "named"))
    text_of(user_cache(), 4)
    assert len(files_in(tmp_path / "named")) == 1
