"""Small language models of random weights, made and stored by transformers itself."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM

VOCABULARY = 300
_LLAMA = {
    "vocab_size": VOCABULARY, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
}  # fmt: skip
SETTINGS: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama", **_LLAMA, "rope_theta": 5000.0, "attention_bias": True},
    "llama-scaled": {
        "model_type": "llama",
        **_LLAMA,
        "rope_scaling": {
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
    },
    "llama-plain": {"model_type": "llama", **_LLAMA, "tie_word_embeddings": True},
    "llama-wide": {"model_type": "llama", **_LLAMA, "hidden_size": 64, "intermediate_size": 96},
    "qwen2": {"model_type": "qwen2", **_LLAMA, "tie_word_embeddings": True},
    "qwen2-sliding": {
        "model_type": "qwen2", **_LLAMA, "use_sliding_window": True, "sliding_window": 7, "max_window_layers": 2,
    },
    "qwen3": {"model_type": "qwen3", **_LLAMA, "head_dim": 16, "tie_word_embeddings": False},
    "gpt2": {
        "model_type": "gpt2", "vocab_size": VOCABULARY, "n_positions": 128, "n_embd": 48, "n_layer": 4, "n_head": 4,
    },
    "gpt2-scaled": {
        "model_type": "gpt2", "vocab_size": VOCABULARY, "n_positions": 128, "n_embd": 48, "n_layer": 4, "n_head": 4,
        "scale_attn_by_inverse_layer_idx": True,
    },
}  # fmt: skip


def make_model(kind: str) -> Any:
    """Return a model of transformers with weights from a fixed seed, all of them random."""
    torch.manual_seed(1)
    make: Any = AutoModelForCausalLM.from_config
    model = make(AutoConfig.for_model(**SETTINGS[kind]), attn_implementation="sdpa").train(mode=False)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.15).add_(1.0 if parameter.dim() == 1 else 0.0)
    return model


def save_model(kind: str, folder: Path, shard_size: str = "5GB") -> Any:
    """Store a model, with a tokenizer of single bytes, as Hugging Face does; return it."""
    model = make_model(kind)
    model.save_pretrained(folder, max_shard_size=shard_size)
    tokenizer(VOCABULARY).save(str(folder / "tokenizer.json"))
    return model


def tokenizer(size: int) -> Tokenizer:
    """Return a tokenizer with `size` tokens, the first 256 of them the bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = [*alphabet, *(f"<extra{number}>" for number in range(size - len(alphabet)))]
    made = Tokenizer(models.BPE({name: number for number, name in enumerate(names)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return made
