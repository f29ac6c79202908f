"""Tokens of texts and texts of tokens, with the tokenizer that comes with a language model. Imports no torch.

tokenizer = load_tokenizer(shipped_folder("smollm2-135m"))
text_tokens(tokenizer, "Once upon a time")
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from tokenizers import Tokenizer

from topologies.models.language.model_folder import TOKENIZER_FILE, ModelFolder

MAX_TOKENIZER_BYTES = 2**27


@contextmanager
def tokenizer_errors(rule: str) -> Iterator[None]:
    """Raise what the library raises as ValueError, one line: the rule, then the error's text. It declares no errors,
    and its panics are no Exceptions."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__module__ != "pyo3_runtime":
            raise
        raise ValueError(f"{rule}: {' '.join(str(error).split())[:200]}") from None


@cache
def load_tokenizer(folder: ModelFolder) -> Tokenizer:
    """Return the tokenizer of a model's folder (tokenizer.json).

    Raises ValueError, one line, without the file, for one that the library cannot read, for one that draws (BPE with
    dropout), and for one with tokens that the model does not have.
    """
    path = folder.path / TOKENIZER_FILE
    if not path.is_file():
        raise ValueError(f"{path}: must be an existing file")
    if path.stat().st_size > MAX_TOKENIZER_BYTES:
        raise ValueError(f"{path}: must be at most {MAX_TOKENIZER_BYTES} bytes")
    with tokenizer_errors(f"{path}: must be a tokenizer"):
        tokenizer = Tokenizer.from_file(str(path))
    if getattr(tokenizer.model, "dropout", None):
        raise ValueError(f"{path}: dropout={tokenizer.model.dropout:g}: must be 0: a text always has the same tokens")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    largest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    if not 0 <= largest < folder.vocabulary:
        rule = f"must be tokens of the model's vocabulary of {folder.vocabulary}"
        raise ValueError(f"{path}: token number {largest}: {rule}")
    return tokenizer


def text_tokens(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    """Return the tokens of a text, without any that mark its beginning or end. Raises ValueError, one line, for a text
    that the tokenizer has no tokens for."""
    with tokenizer_errors("tokenizer: must have tokens for every text"):
        return tuple(tokenizer.encode(text, add_special_tokens=False).ids)


def tokens_text(tokenizer: Tokenizer, tokens: Sequence[int]) -> str:
    """Return the text of tokens, with special tokens as their names."""
    text: str = tokenizer.decode(list(tokens), skip_special_tokens=False)
    return text
