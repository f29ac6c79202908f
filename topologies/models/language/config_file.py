"""The settings of a model's architecture, as in Hugging Face's config.json, checked before anything is built."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MAX_CONFIG_BYTES = 2**20
MAX_LAYERS = 1_024
MAX_WIDTH = 2**18  # of hidden states, feed-forward layers, vocabularies of a billion parameters and more
MAX_COUNT = 2**24

_COMMON = ("model_type", "vocab_size", "tie_word_embeddings")
_ROTARY = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    *("head_dim", "hidden_act", "max_position_embeddings", "rms_norm_eps"),
    *("rope_theta", "rope_scaling", "rope_parameters"),
)
_SLIDING = ("use_sliding_window", "sliding_window", "max_window_layers", "layer_types")
# The settings that are read, by architecture: all others say how a model is trained, stored or served.
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "llama": (*_COMMON, *_ROTARY, "attention_bias", "mlp_bias"),
    "qwen2": (*_COMMON, *_ROTARY, *_SLIDING),
    "qwen3": (*_COMMON, *_ROTARY, *_SLIDING, "attention_bias"),
    "gpt2": (
        *_COMMON,
        *("n_positions", "n_embd", "n_layer", "n_head", "n_inner", "activation_function", "layer_norm_epsilon"),
        *("scale_attn_weights", "scale_attn_by_inverse_layer_idx"),
    ),
}
# The sizes that must be given: transformers' defaults are those of some large model, not of this one.
_SIZES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("llama", "qwen2", "qwen3"),
        ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    ),
    "gpt2": ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head"),
}
_LIMITS: Mapping[str, int] = {
    **dict.fromkeys(("num_hidden_layers", "n_layer"), MAX_LAYERS),
    **dict.fromkeys(("hidden_size", "intermediate_size", "n_embd", "n_inner", "head_dim"), MAX_WIDTH),
    **dict.fromkeys(("num_attention_heads", "num_key_value_heads", "n_head"), 4_096),
    **dict.fromkeys(("vocab_size", "max_position_embeddings", "n_positions", "sliding_window"), MAX_COUNT),
}


def checked_config(values: object, where: str) -> dict[str, Any]:
    """Return the settings of an architecture that can be cut, without any others.

    Raises ValueError, `where: key=value: rule`, for an architecture that is not among `SETTINGS`, for weights that are
    quantised in a way of their own, for a size that is missing or that no model has, and for numbers that are not
    finite.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{where}: must be a JSON object")
    family = values.get("model_type")
    if not isinstance(family, str) or family not in SETTINGS:
        raise ValueError(f"{where}: model_type={str(family)[:40]}: must be one of {', '.join(SETTINGS)}")
    if values.get("quantization_config") is not None:
        raise ValueError(f"{where}: quantization_config: must not be given: take the model's plain weights, or a GGUF")
    for key, most in _LIMITS.items():
        value = values.get(key)
        if value is not None and (type(value) is not int or not 1 <= value <= most):
            raise ValueError(f"{where}: {key}={str(value)[:40]}: must be a whole number from 1 to {most}")
        if value is None and key in _SIZES[family]:
            raise ValueError(f"{where}: {key}: must be given")
    for key in ("rms_norm_eps", "layer_norm_epsilon"):
        if isinstance(epsilon := values.get(key), int | float) and not 0 <= epsilon <= 1:
            raise ValueError(f"{where}: {key}={epsilon}: must be between 0 and 1")
    chosen = {key: values[key] for key in SETTINGS[family] if key in values}
    try:
        json.dumps(chosen, allow_nan=False)
    except (ValueError, RecursionError):
        raise ValueError(f"{where}: must have finite numbers, nested less deeply") from None
    return chosen


def config_of_text(text: str | bytes, where: str) -> dict[str, Any]:
    """Return the settings of a config.json's text. Raises ValueError as `checked_config`, and for text that is no
    JSON."""
    if len(text) > MAX_CONFIG_BYTES:
        raise ValueError(f"{where}: must be at most {MAX_CONFIG_BYTES} bytes")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: must be JSON: {' '.join(str(error).split())[:200]}") from None
    return checked_config(values, where)


def read_config(path: Path) -> dict[str, Any]:
    """Return the settings in a config.json. Raises ValueError as `config_of_text`, and without the file."""
    if not path.is_file():
        raise ValueError(f"{path}: must be an existing file")
    with path.open("rb") as file:
        return config_of_text(file.read(MAX_CONFIG_BYTES + 1), str(path))
