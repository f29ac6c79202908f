"""Conversion of a GGUF file into what Hugging Face stores: config.json, tokenizer.json and safetensors in fp32."""

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from topologies.models.language.config_file import checked_config
from topologies.models.language.gguf_file import GgufFile, read_gguf
from topologies.models.language.gguf_tokenizer import tokenizer_of
from topologies.models.language.model_folder import CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE

CONVERSION = 1  # raised when the conversion gives other files

Array = npt.NDArray[np.float32]
Change = Callable[[Array, Mapping[str, Any]], Array]


def _as_stored(values: Array, _: Mapping[str, Any]) -> Array:
    return values


def _transposed(values: Array, _: Mapping[str, Any]) -> Array:
    """GPT-2's matrices are those of a convolution in Hugging Face's files: inputs first."""
    return values.T


def _with_halves(values: Array, heads: int) -> Array:
    """Return the rows of a rotary projection with the two halves of each head apart: llama.cpp stores each row beside
    the one that it is rotated with."""
    rows = values.shape[0]
    return values.reshape(heads, rows // heads // 2, 2, -1).swapaxes(1, 2).reshape(values.shape)


def _of_queries(values: Array, config: Mapping[str, Any]) -> Array:
    return _with_halves(values, config["num_attention_heads"])


def _of_keys(values: Array, config: Mapping[str, Any]) -> Array:
    return _with_halves(values, config["num_key_value_heads"])


class _Architecture(NamedTuple):
    """How one of llama.cpp's architectures is stored. `settings`: keys of config.json by fields (without the name of
    the architecture). `outer` and `inner`: Hugging Face's names and the change of values by names of tensors, the inner
    ones of each layer, behind `blk.<layer>.` and `layers`."""

    settings: Mapping[str, str]
    layer_count: str
    layers: str
    outer: Mapping[str, str]
    inner: Mapping[str, tuple[str, Change]]


_LLAMA_SETTINGS = {
    "context_length": "max_position_embeddings",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "embedding_length": "hidden_size",
    "rope.freq_base": "rope_theta",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
}
_LLAMA_OUTER = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_LLAMA_INNER: Mapping[str, tuple[str, Change]] = {
    "attn_norm.weight": ("input_layernorm.weight", _as_stored),
    "attn_q.weight": ("self_attn.q_proj.weight", _as_stored),
    "attn_k.weight": ("self_attn.k_proj.weight", _as_stored),
    "attn_v.weight": ("self_attn.v_proj.weight", _as_stored),
    "attn_output.weight": ("self_attn.o_proj.weight", _as_stored),
    "ffn_norm.weight": ("post_attention_layernorm.weight", _as_stored),
    "ffn_gate.weight": ("mlp.gate_proj.weight", _as_stored),
    "ffn_up.weight": ("mlp.up_proj.weight", _as_stored),
    "ffn_down.weight": ("mlp.down_proj.weight", _as_stored),
}
_BIASES = {f"attn_{name}.bias": (f"self_attn.{name}_proj.bias", _as_stored) for name in "qkv"}
_HEAD_NORMS = {f"attn_{name}_norm.weight": (f"self_attn.{name}_norm.weight", _as_stored) for name in "qk"}
_ROTATED: Mapping[str, tuple[str, Change]] = {
    "attn_q.weight": ("self_attn.q_proj.weight", _of_queries),
    "attn_k.weight": ("self_attn.k_proj.weight", _of_keys),
}
_GPT2_NAMES = {"attn_norm": "ln_1", "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj", "ffn_norm": "ln_2"}
_GPT2_NAMES |= {"ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"}
ARCHITECTURES: Mapping[str, _Architecture] = {
    "llama": _Architecture(
        {**_LLAMA_SETTINGS, "rope.dimension_count": "head_dim"},
        "num_hidden_layers",
        "model.layers",
        _LLAMA_OUTER,
        {**_LLAMA_INNER, **_ROTATED},
    ),
    "qwen2": _Architecture(
        _LLAMA_SETTINGS, "num_hidden_layers", "model.layers", _LLAMA_OUTER, {**_LLAMA_INNER, **_BIASES}
    ),
    "qwen3": _Architecture(
        {**_LLAMA_SETTINGS, "attention.key_length": "head_dim"},
        "num_hidden_layers",
        "model.layers",
        _LLAMA_OUTER,
        {**_LLAMA_INNER, **_HEAD_NORMS},
    ),
    "gpt2": _Architecture(
        {
            "context_length": "n_positions",
            "block_count": "n_layer",
            "feed_forward_length": "n_inner",
            "embedding_length": "n_embd",
            "attention.head_count": "n_head",
            "attention.layer_norm_epsilon": "layer_norm_epsilon",
        },
        "n_layer",
        "transformer.h",
        {
            "token_embd.weight": "transformer.wte.weight",
            "position_embd.weight": "transformer.wpe.weight",
            "output_norm.weight": "transformer.ln_f.weight",
            "output_norm.bias": "transformer.ln_f.bias",
            "output.weight": "lm_head.weight",
        },
        {
            f"{name}.{part}": (
                f"{other}.{part}",
                _transposed if part == "weight" and "norm" not in name else _as_stored,
            )
            for name, other in _GPT2_NAMES.items()
            for part in ("weight", "bias")
        },
    ),
}


class _Target(NamedTuple):
    """A tensor to write: its name, the stored tensor's name, its shape, and the change of its values."""

    name: str
    stored: str
    shape: tuple[int, ...]
    change: Change


def convert(path: Path, folder: Path) -> None:
    """Write config.json, tokenizer.json and model.safetensors of a GGUF file into a folder.

    Raises ValueError, one line, for a file that is damaged, of another architecture, or incomplete; MissingDependency
    without the package `gguf`.
    """
    file = read_gguf(path)
    config = _config_of(file)
    tokenizer = tokenizer_of(file)
    targets = tuple(_targets(file, config))
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    tokenizer.save(str(folder / TOKENIZER_FILE))
    _write_weights(folder / WEIGHTS_FILE, file, config, targets)


def settings_of_gguf(path: Path) -> Mapping[str, Any]:
    """Return what config.json of a GGUF file would have. Raises as `convert`."""
    return _config_of(read_gguf(path))


def _architecture_of(file: GgufFile) -> tuple[str, _Architecture]:
    name = file.field("general.architecture", str)
    if name not in ARCHITECTURES:
        raise ValueError(f"{file.path}: general.architecture={name}: must be one of {', '.join(ARCHITECTURES)}")
    return name, ARCHITECTURES[name]


def _config_of(file: GgufFile) -> dict[str, Any]:
    """Return the contents of config.json. Raises ValueError where the file does not give them."""
    name, architecture = _architecture_of(file)
    if file.fields.get(f"{name}.rope.scaling.type", "none") != "none" or "rope_freqs.weight" in file.tensors:
        raise ValueError(f"{file.path}: must have unscaled rotary frequencies: take the model's safetensors instead")
    config: dict[str, Any] = {"model_type": name}
    for field, key in architecture.settings.items():
        value = file.field(f"{name}.{field}", (int, float))
        config[key] = float(str(np.float32(value))) if isinstance(value, float) else value  # 1e-05, not 9.99...e-06
    embedding = file.tensors.get("token_embd.weight")
    config["vocab_size"] = 0 if embedding is None else embedding.shape[0]
    config["tie_word_embeddings"] = "output.weight" not in file.tensors
    return checked_config(config, str(file.path))


def _targets(file: GgufFile, config: Mapping[str, Any]) -> Iterator[_Target]:
    """Yield all tensors to write. Raises ValueError for a tensor that is lacking, or that the architecture has not."""
    _, architecture = _architecture_of(file)
    layers = config[architecture.layer_count]
    wanted: dict[str, tuple[str, Change]] = {
        name: (other, _as_stored)
        for name, other in architecture.outer.items()
        if name != "output.weight" or name in file.tensors
    }
    for layer in range(layers):
        for name, (other, change) in architecture.inner.items():
            wanted[f"blk.{layer}.{name}"] = f"{architecture.layers}.{layer}.{other}", change
    for name in sorted(wanted.keys() ^ file.tensors.keys()):
        rule = "must be given" if name in wanted else "is no tensor of the architecture"
        raise ValueError(f"{file.path}: tensor {name}: {rule}")
    for name, (other, change) in wanted.items():
        shape = file.tensors[name].shape
        yield _Target(other, name, shape[::-1] if change is _transposed else shape, change)


def _write_weights(path: Path, file: GgufFile, config: Mapping[str, Any], targets: tuple[_Target, ...]) -> None:
    """Write the tensors as safetensors (https://github.com/huggingface/safetensors#format), one at a time, so that no
    more than one is in memory."""
    header: dict[str, Any] = {}
    end = 0
    for target in targets:
        begin, end = end, end + 4 * prod(target.shape)
        header[target.name] = {"dtype": "F32", "shape": target.shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for target in targets:
            values = file.values(target.stored)
            try:
                changed = target.change(values, config)
            except ValueError as error:
                raise ValueError(f"{file.path}: tensor {target.stored}: {error}") from None
            out.write(np.ascontiguousarray(changed).tobytes())
