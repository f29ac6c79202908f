"""Causal language models of the Llama type (Touvron et al., "Llama 2: open foundation and fine-tuned chat
models", arXiv 2307.09288, 2023), with the decoder layers of transformers.

llama2-7b, tinyllama-1.1b: the published configurations, weights in fp16.
llama-15m, llama-110m: the shapes of llama2.c's stories15M and stories110M, weights in fp32, small enough for a CPU.
In llama2.c the output matrix is the embedding matrix; here it is a separate matrix (24 407 712 and 134 105 856
parameters), because a cut puts the two on different nodes.
"""

from collections.abc import Mapping

from transformers.models.llama.configuration_llama import LlamaConfig

from topologies.models.chain import ModelPlan
from topologies.models.language.architecture import language_plan

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
    return LlamaConfig(
        vocab_size=32_000,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=positions,
        rms_norm_eps=1e-5,
    )


def plan(name: str) -> ModelPlan:
    """Return the plan; the layers are the embedding, each decoder layer, and the head (last norm, then the logits)."""
    return language_plan(name, configuration(name), SHAPES[name][-1])
