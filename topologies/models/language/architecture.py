"""Causal language models of transformers as chains: embedding, decoder layers, head.

Everything is read from the model that transformers makes for a configuration, and nothing depends on a model's name:
its list of decoder layers, its embeddings, the norm behind the decoders, and which parameters the parts share.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig

from topologies.models.chain import LayerPlan, ModelPlan
from topologies.models.language.config_file import MAX_WIDTH
from topologies.models.language.decoder import Decoder, PositionedEmbedding

# Their numbers by default are those of one model's vocabulary, and no layer needs them.
_NO_SPECIAL_TOKENS = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}

LayerNames = tuple[Mapping[str, str], ...]  # by layer: names of its tensors in the model, by their names in the layer


def configuration_of(settings: Mapping[str, Any]) -> PreTrainedConfig:
    """Return the configuration for settings of a config.json (`checked_config`). Raises ValueError, one line, where
    they do not fit together."""
    with _as_value_error():
        return AutoConfig.for_model(**{**_NO_SPECIAL_TOKENS, **settings})


@contextmanager
def _as_value_error() -> Iterator[None]:
    """Raise what transformers and torch raise for settings that do not fit together, which is of many kinds and not
    declared, as ValueError."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"config.json: must fit together: {type(error).__name__}: {reason}") from None


def language_plan(
    name: str,
    config: PreTrainedConfig,
    weight_dtype: str = "fp32",
    weights_of: Callable[[LayerNames], Callable[[int], Mapping[str, Tensor]]] | None = None,
) -> ModelPlan:
    """Return the plan of the model that a configuration describes; its layers are the embedding, each decoder layer,
    and the head (last norm, then the logits).

    `weights_of` makes the plan's `weights` from the names that transformers gives to the tensors of each layer; without
    it weights are drawn. A matrix that embedding and head share is in both of them, since a cut puts the two on
    different nodes. Raises ValueError, one line, for a configuration whose settings do not fit together.
    """
    model = _without_memory(config)
    base = model.base_model
    decoders = _decoders(base, config.num_hidden_layers)
    rotary = _rotary(base, config)
    modules = {
        "embedding": _embedding(model),
        **{f"decoder{index}": Decoder(block, rotary) for index, block in enumerate(decoders)},
        "head": nn.Sequential(_norm_behind(base, decoders), model.get_output_embeddings()),
    }
    names = {id(parameter): path for path, parameter in model.named_parameters()}
    stored = tuple(
        {path: names[id(parameter)] for path, parameter in module.named_parameters()} for module in modules.values()
    )
    kv_elements = _cached_elements(modules["decoder0"], config.hidden_size)
    layers = tuple(
        LayerPlan(layer, partial(deepcopy, module), kv_elements=kv_elements if isinstance(module, Decoder) else 0)
        for layer, module in modules.items()
    )
    weights = None if weights_of is None else weights_of(stored)
    return ModelPlan(name, "causal_lm", weight_dtype, (1,), layers, config.vocab_size, weights)


def _without_memory(config: PreTrainedConfig) -> Any:
    make: Any = AutoModelForCausalLM.from_config  # has no types
    with _as_value_error(), torch.device("meta"):
        return make(config, attn_implementation="sdpa", dtype=torch.float32)


def _decoders(base: nn.Module, count: int) -> nn.ModuleList:
    return next(child for child in base.children() if isinstance(child, nn.ModuleList) and len(child) == count)


def _norm_behind(base: nn.Module, decoders: nn.ModuleList) -> nn.Module:
    children = list(base.children())
    return children[children.index(decoders) + 1]


def _rotary(base: nn.Module, config: PreTrainedConfig) -> nn.Module | None:
    """Return the module of the rotary embeddings with its frequencies in memory; None for a model without them. Raises
    ValueError, one line, for frequencies that are too many or not finite."""
    found: Any = getattr(base, "rotary_emb", None)
    if found is None:
        return None
    if found.inv_freq.numel() > MAX_WIDTH:
        raise ValueError(f"config.json: rotary frequencies: must be at most {MAX_WIDTH}")
    with _as_value_error(), torch.device("cpu"):
        made: Any = type(found)(config)
    if not made.inv_freq.isfinite().all():
        raise ValueError("config.json: rotary frequencies: must be finite")
    rotary: nn.Module = made
    return rotary


def _embedding(model: Any) -> nn.Module:
    tokens = model.get_input_embeddings()
    others = [each for each in model.base_model.children() if isinstance(each, nn.Embedding) and each is not tokens]
    return PositionedEmbedding(tokens, others[0]) if others else tokens


def _cached_elements(decoder: nn.Module, hidden: int) -> int:
    """Return the size of a decoder layer's cache for one token."""
    assert isinstance(decoder, Decoder)
    cache = decoder.begin()
    with _as_value_error(), torch.no_grad():
        decoder(torch.empty(1, 1, hidden, device="meta"), cache)
    return cache.elements
