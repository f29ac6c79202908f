"""Images of a folder of the user's, without labels."""

import hashlib
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emulator.core.files import file_sha256

MAX_FILES = 10_000


def image_files(folder: Path) -> tuple[Path, ...]:
    """Return the files of a folder whose names begin with no dot, in the order of their names; other folders in it do
    not count. Raises ValueError, one line, for a folder that does not exist, and without a file or with too many."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: must be an existing folder")
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if not 1 <= len(files) <= MAX_FILES:
        raise ValueError(f"{folder}: must have 1 to {MAX_FILES} images, not {len(files)}")
    return tuple(files)


def require_image(path: Path) -> None:
    """Raise ValueError, one line, unless a file begins as an image of a size that Pillow takes (90 million pixels);
    its pixels are not read."""
    with _opened(path):
        pass


def square_of(path: Path, side: int) -> NDArray[np.uint8]:
    """Return the largest square in the middle of an image, resized as crops of photographs are, shape (side, side, 3).
    Raises ValueError, one line, for a file that cannot be read as an image."""
    with _opened(path) as image:
        try:
            colours = image.convert("RGB")
        except (OSError, ValueError, SyntaxError) as error:
            raise _unreadable(path, error) from None
    size = min(colours.size)
    left, top = (colours.width - size) / 2, (colours.height - size) / 2
    box = (left, top, left + size, top + size)
    return np.asarray(colours.resize((side, side), Image.Resampling.BILINEAR, box))  # Pillow's has antialiasing


def images_sha256(files: Iterable[Path]) -> str:
    """Return the SHA-256 of the digests of files, a line each, in their order."""
    return hashlib.sha256("".join(f"{file_sha256(path)}\n" for path in files).encode()).hexdigest()


def _opened(path: Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: BaseException) -> ValueError:
    reason = " ".join(str(error).split())[:200]
    return ValueError(f"{path}: must be an image: {reason or type(error).__name__}")
