"""GGUF files of small models, written with the package `gguf` by llama.cpp's rules for the order of rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import quantize

from tests.topologies.models.small_models import SETTINGS, VOCABULARY

Array = npt.NDArray[np.float32]
NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "transformer.wte": "token_embd", "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm",
    "ln_1": "attn_norm", "ln_2": "ffn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output",
    "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
}  # fmt: skip


def stored_name(name: str) -> str:
    path, _, part = name.rpartition(".")
    for prefix in ("model.layers.", "transformer.h."):
        if path.startswith(prefix):
            index, _, inner = path.removeprefix(prefix).partition(".")
            return f"blk.{index}.{NAMES[inner]}.{part}"
    return f"{NAMES[path]}.{part}"


def permuted(rows: Array, heads: int) -> Array:
    """llama.cpp's `permute` of convert_hf_to_gguf.py."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def write_gguf(
    path: Path, kind: str, tensors: Mapping[str, Array], tokens: int = VOCABULARY, quantised: bool = False
) -> Path:
    """Write a model of transformers (its settings by `kind`, its tensors by name) as GGUF."""
    settings: dict[str, Any] = SETTINGS[kind]
    family = settings["model_type"]
    writer = GGUFWriter(path, family)
    is_gpt2 = family == "gpt2"
    writer.add_block_count(settings["n_layer" if is_gpt2 else "num_hidden_layers"])
    writer.add_context_length(settings["n_positions" if is_gpt2 else "max_position_embeddings"])
    writer.add_embedding_length(settings["n_embd" if is_gpt2 else "hidden_size"])
    heads = settings["n_head" if is_gpt2 else "num_attention_heads"]
    writer.add_head_count(heads)
    if is_gpt2:
        writer.add_feed_forward_length(4 * settings["n_embd"])
        writer.add_layer_norm_eps(1e-5)
    else:
        writer.add_feed_forward_length(settings["intermediate_size"])
        writer.add_head_count_kv(settings["num_key_value_heads"])
        writer.add_layer_norm_rms_eps(1e-6)
        writer.add_rope_freq_base(settings.get("rope_theta", 10_000.0))
        width = settings.get("head_dim", settings["hidden_size"] // heads)
        writer.add_rope_dimension_count(width)
        writer.add_key_length(width)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    alphabet = [chr(256 + number) for number in range(tokens - 1)]
    writer.add_token_list([*alphabet, alphabet[0] + alphabet[1]])
    writer.add_token_types([1] * tokens)
    writer.add_token_merges([f"{alphabet[0]} {alphabet[1]}"])
    for name, values in tensors.items():
        rows = _rows(name, values, settings)
        if quantised and rows.ndim == 2 and rows.shape[1] % 32 == 0:
            kind_of_rows = GGMLQuantizationType.Q8_0
            writer.add_tensor(stored_name(name), quantize(rows, kind_of_rows), raw_dtype=kind_of_rows)
        else:
            writer.add_tensor(stored_name(name), rows)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _rows(name: str, values: Array, settings: Mapping[str, Any]) -> Array:
    if settings["model_type"] == "gpt2" and values.ndim == 2 and ".h." in name:
        return np.ascontiguousarray(values.T)
    for projection, heads in (("q_proj", "num_attention_heads"), ("k_proj", "num_key_value_heads")):
        if settings["model_type"] == "llama" and projection in name:
            return np.ascontiguousarray(permuted(values, settings[heads]))
    return np.ascontiguousarray(values)
