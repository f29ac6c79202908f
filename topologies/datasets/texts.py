"""Texts as prompts: of a file, or those that every Python brings."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from pydoc_data.topics import topics
from typing import Literal

Separator = Literal["line", "paragraph"]
MAX_TEXT_BYTES = 2**26


def shipped_texts() -> tuple[str, ...]:
    """Return the paragraphs of Python's help texts (`pydoc_data.topics`), which differ between versions of Python."""
    return split_texts("\n\n".join(topics[name] for name in sorted(topics)), "paragraph")


def read_texts(path: Path, separator: Separator) -> tuple[str, ...]:
    """Return the texts of a file in UTF-8. Raises ValueError, one line, for a file that is none, has more than
    MAX_TEXT_BYTES, or has no text; OSError if it cannot be read."""
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise ValueError(f"{path}: must be at most {MAX_TEXT_BYTES} bytes")
    try:
        whole = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: must be text in UTF-8: {error.reason} at byte {error.start}") from None
    texts = split_texts(whole, separator)
    if not texts:
        raise ValueError(f"{path}: must have a text")
    return texts


def split_texts(whole: str, separator: Separator) -> tuple[str, ...]:
    """Return the lines of a text, or its paragraphs, which blank lines separate, without white space around them."""
    parts = whole.splitlines() if separator == "line" else re.split(r"\n[^\S\n]*\n", whole.replace("\r\n", "\n"))
    return tuple(stripped for part in parts if (stripped := part.strip()))


def texts_sha256(texts: Sequence[str]) -> str:
    """Return the SHA-256 of texts, each preceded by its length."""
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode()
        digest.update(f"{len(data)} ".encode() + data)
    return digest.hexdigest()
