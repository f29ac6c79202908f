"""Tokens of texts and texts of tokens, with the tokenizer that comes with a language model. Imports no torch.

tokenizer = load_tokenizer(shipped_folder("smollm2-135m"))
text_tokens(tokenizer, "Once upon a time")
"""

from collections.abc import Sequence
from functools import cache

from tokenizers import Tokenizer

from topologies.models.language.model_folder import TOKENIZER_FILE, ModelFolder

MAX_TOKENIZER_BYTES = 2**27


@cache
def load_tokenizer(folder: ModelFolder) -> Tokenizer:
    """Return the tokenizer of a model's folder (tokenizer.json).

    Raises ValueError, one line, without the file, for one that the library cannot read, and for one with tokens that
    the model does not have.
    """
    path = folder.path / TOKENIZER_FILE
    if not path.is_file():
        raise ValueError(f"{path}: must be an existing file")
    if path.stat().st_size > MAX_TOKENIZER_BYTES:
        raise ValueError(f"{path}: must be at most {MAX_TOKENIZER_BYTES} bytes")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library declares none
        raise ValueError(f"{path}: must be a tokenizer: {' '.join(str(error).split())[:200]}") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    largest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    if not 0 <= largest < folder.vocabulary:
        rule = f"must be tokens of the model's vocabulary of {folder.vocabulary}"
        raise ValueError(f"{path}: token number {largest}: {rule}")
    return tokenizer


def text_tokens(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    """Return the tokens of a text, without any that mark its beginning or end."""
    return tuple(tokenizer.encode(text, add_special_tokens=False).ids)


def tokens_text(tokenizer: Tokenizer, tokens: Sequence[int]) -> str:
    """Return the text of tokens, with special tokens as their names."""
    text: str = tokenizer.decode(list(tokens), skip_special_tokens=False)
    return text
