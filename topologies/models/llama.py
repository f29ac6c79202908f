"""Causal language models of the Llama type (Touvron et al., "Llama 2: open foundation and fine-tuned chat
models", arXiv 2307.09288, 2023), with the decoder layers of transformers.

llama2-7b, tinyllama-1.1b: the published configurations, weights in fp16.
llama-15m, llama-110m: the shapes of llama2.c's stories15M and stories110M, weights in fp32, small enough for a CPU.
In llama2.c the output matrix is the embedding matrix; here it is a separate matrix (24 407 712 and 134 105 856
parameters), because a cut puts the two on different nodes.
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
    """Return the model's configuration for transformers."""
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
    config._attn_implementation = "sdpa"  # the default, "eager", is slower
    return config


class Decoder(nn.Module):
    """A decoder layer that computes its own position embeddings, so that it runs on any side of a cut."""

    def __init__(self, config: LlamaConfig, index: int) -> None:
        super().__init__()
        self.block = LlamaDecoderLayer(config, index)
        # The frequencies are computed, not learned. The tuple hides them from `state_dict`, so that they are not sent
        # with the weights; they are created on the CPU, so that they survive the allocation of the weights.
        with torch.device("cpu"):
            self.rotary = (LlamaRotaryEmbedding(config),)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the output for a whole prompt, shape (sequences, tokens, hidden). Attention is causal without a mask.

        To add a key-value cache, pass it to `block` as `past_key_values` and start the positions at its length.
        """
        positions = torch.arange(hidden.shape[1], device=hidden.device).unsqueeze(0)
        output: Tensor = self.block(hidden, position_embeddings=self.rotary[0](hidden, positions))
        return output


def _head(config: LlamaConfig) -> nn.Module:
    norm = LlamaRMSNorm(config.hidden_size, config.rms_norm_eps)
    return nn.Sequential(norm, nn.Linear(config.hidden_size, config.vocab_size, bias=False))


def plan(name: str) -> ModelPlan:
    """Return the plan; the layers are the embedding, each decoder layer, and the head (last norm, then the logits)."""
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
