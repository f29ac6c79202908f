"""Causal language models of the Llama type (Touvron et al., "Llama 2: open foundation and fine-tuned chat
models", arXiv 2307.09288, 2023), their decoder layers by transformers.

llama2-7b, tinyllama-1.1b: the published configurations, weights in fp16.
llama-15m, llama-110m: the shapes of llama2.c's stories15M and stories110M, weights in fp32, small enough to
run on a CPU. There the output matrix is the embedding matrix; here it is a matrix of its own (24 407 712 and
134 105 856 parameters), because a cut puts the two on different nodes.
"""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRMSNorm, LlamaRotaryEmbedding

from topologies.models.chain import LayerPlan, ModelPlan

# hidden, intermediate, layers, heads, key-value heads, positions, weights
SHAPES: Mapping[str, tuple[int, int, int, int, int, int, str]] = {
    "llama-15m": (288, 768, 6, 6, 6, 256, "fp32"),
    "llama-110m": (768, 2048, 12, 12, 12, 1024, "fp32"),
    "tinyllama-1.1b": (2048, 5632, 22, 32, 4, 2048, "fp16"),
    "llama2-7b": (4096, 11008, 32, 32, 32, 4096, "fp16"),
}


def configuration(name: str) -> LlamaConfig:
    """The model's configuration in the terms of transformers."""
    hidden, intermediate, layers, heads, kv_heads, positions, _ = SHAPES[name]
    config = LlamaConfig(
        vocab_size=32_000,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=positions,
        rms_norm_eps=1e-5,
    )
    config._attn_implementation = "sdpa"  # its own default is the slower "eager"
    return config


class Decoder(nn.Module):
    """One decoder layer with the positions that it needs, so that it runs wherever a cut puts it."""

    def __init__(self, config: LlamaConfig, index: int) -> None:
        super().__init__()
        self.block = LlamaDecoderLayer(config, index)
        # Frequencies are computed, not learned: kept on the CPU and, by the tuple, out of this module's
        # tensors, so they neither travel with the weights nor are lost when these get their memory.
        with torch.device("cpu"):
            self.rotary = (LlamaRotaryEmbedding(config),)

    def forward(self, hidden: Tensor) -> Tensor:
        """A whole prompt, shape (sequences, tokens, hidden). No mask: the attention is causal without one.

        A cache of keys and values would enter here: `block` takes it as `past_key_values`, and
        positions then start at what it holds.
        """
        positions = torch.arange(hidden.shape[1], device=hidden.device).unsqueeze(0)
        output: Tensor = self.block(hidden, position_embeddings=self.rotary[0](hidden, positions))
        return output


def _head(config: LlamaConfig) -> nn.Module:
    norm = LlamaRMSNorm(config.hidden_size, config.rms_norm_eps)
    return nn.Sequential(norm, nn.Linear(config.hidden_size, config.vocab_size, bias=False))


def plan(name: str) -> ModelPlan:
    """The embedding, each decoder layer and the head (last norm, then the logits) are the layers."""
    config = configuration(name)
    hidden, _, _, heads, kv_heads, _, _ = SHAPES[name]
    kv_elements = 2 * kv_heads * (hidden // heads)
    decoders = [
        LayerPlan(f"decoder{index}", partial(Decoder, config, index), kv_elements=kv_elements)
        for index in range(config.num_hidden_layers)
    ]
    embedding = LayerPlan("embedding", partial(nn.Embedding, config.vocab_size, config.hidden_size))
    layers = (embedding, *decoders, LayerPlan("head", partial(_head, config)))
    return ModelPlan(name, "causal_lm", SHAPES[name][-1], (1,), layers, config.vocab_size)
