"""The tokenizer of a GGUF file, made with the library `tokenizers`.

A GGUF has the vocabulary, the merges, and a name for how text is split before merging (`tokenizer.ggml.pre`), whose
meaning is llama.cpp's (src/llama-vocab.cpp). A name that is not known here is refused: another split would give other
tokens, and nobody would see it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from topologies.models.language.gguf_file import GgufFile
from topologies.models.language.tokenizer import tokenizer_errors

CONTROL, USER_DEFINED = 3, 4  # types of tokens that are matched whole, before the text is split

_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = _QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")


def _gpt2() -> Any:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


def _smollm() -> Any:
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _gpt2()])


def _split(pattern: str) -> Any:
    whole = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    return pre_tokenizers.Sequence([whole, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


SPLITS: Mapping[str, Callable[[], Any]] = {
    "default": _gpt2,
    "gpt-2": _gpt2,
    "smollm": _smollm,
    "qwen2": lambda: _split(_QWEN2),
    "llama-bpe": lambda: _split(_LLAMA3),
}


def tokenizer_of(file: GgufFile) -> Tokenizer:
    """Return the tokenizer of a GGUF file. Raises ValueError, one line, for one of another kind than byte-level BPE, of
    an unknown split, or with tokens that do not fit its model."""
    kind = file.field("tokenizer.ggml.model", str)
    if kind != "gpt2":
        raise ValueError(f"{file.path}: tokenizer.ggml.model={kind[:40]}: must be gpt2 (byte-level BPE)")
    split = file.fields.get("tokenizer.ggml.pre", "default")
    if not isinstance(split, str) or split not in SPLITS:
        raise ValueError(f"{file.path}: tokenizer.ggml.pre={str(split)[:40]}: must be one of {', '.join(SPLITS)}")
    tokens = file.field("tokenizer.ggml.tokens", list)
    vocabulary = {str(token): number for number, token in enumerate(tokens)}
    merges = [str(merge).partition(" ")[::2] for merge in file.field("tokenizer.ggml.merges", list)]
    types = file.field("tokenizer.ggml.token_type", list) if "tokenizer.ggml.token_type" in file.fields else []
    if len(vocabulary) != len(tokens):
        raise ValueError(f"{file.path}: tokenizer.ggml.tokens: must be different from each other")
    for first, second in merges:
        if not {first, second, first + second} <= vocabulary.keys():
            merge = f"{first} {second}"[:40]
            raise ValueError(f"{file.path}: tokenizer.ggml.merges={merge}: must be of two tokens, and make one")
    with tokenizer_errors(f"{file.path}: tokenizer.ggml.merges: must be of tokens"):
        tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = SPLITS[split]()
    tokenizer.decoder = decoders.ByteLevel()
    for token, kind_of_token in zip(vocabulary, types, strict=False):
        if kind_of_token == CONTROL:
            tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True)])
        elif kind_of_token == USER_DEFINED:
            tokenizer.add_tokens([AddedToken(token, normalized=False, special=False)])
    return tokenizer
