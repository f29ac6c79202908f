"""A figure that does not fit on the disk: the error is that of the write, whatever the library makes of it."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from results.figures.style import page, pdf_pages, save


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """Let writes beyond a size fail, as they do on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("suffix", [".pdf", ".png", ".svg"])
@pytest.mark.parametrize("size_bytes", [1, 700, 4_000])
def test_field_figure_on_a_full_disk_names_its_path(size_bytes: int, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"delay{suffix}"
    with page(2.0) as figure, files_of_at_most(size_bytes), pytest.raises(OSError) as raised:
        figure.subplots().plot([0, 1], [1, 0])
        save(figure, path)
    assert raised.value.filename == str(path) and not list(tmp_path.iterdir())


def test_field_pages_on_a_full_disk_name_their_path(tmp_path: Path) -> None:
    path = tmp_path / "pages.pdf"
    with page(2.0) as figure, files_of_at_most(700), pytest.raises(OSError) as raised, pdf_pages(path) as pages:
        figure.subplots().plot([0, 1], [1, 0])
        pages.savefig(figure)  # type: ignore[no-untyped-call]  # matplotlib's own stub
    assert raised.value.filename == str(path) and not list(tmp_path.iterdir())
