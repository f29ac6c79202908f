"""Layers of causal language models that run on any side of a cut: each keeps track of positions on its own."""

from typing import Any

import torch
from torch import Tensor, nn

from topologies.models.chain import StatefulLayer


class LayerCache:
    """Keys and values of the tokens that one layer has seen, each of shape (sequences, heads, tokens, head width).

    transformers' attention calls `update`, as it does on its own caches.
    """

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    @property
    def positions(self) -> int:
        """The number of tokens seen."""
        return 0 if self.keys is None else self.keys.shape[-2]

    @property
    def elements(self) -> int:
        """The number of values held."""
        return sum(0 if each is None else each.numel() for each in (self.keys, self.values))

    def update(self, keys: Tensor, values: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Append the keys and values of further tokens. Return those of all tokens."""
        self.keys = keys if self.keys is None else torch.cat([self.keys, keys], dim=-2)
        self.values = values if self.values is None else torch.cat([self.values, values], dim=-2)
        return self.keys, self.values


class SeenTokens:
    """The number of tokens that a layer with learned positions has seen."""

    elements = 0

    def __init__(self) -> None:
        self.positions = 0


def attention_mask(past: int, new: int, window: int | None, device: torch.device) -> Tensor | None:
    """Return which positions `new` tokens after `past` others attend to, shape (1, 1, new, past + new).

    A token attends to itself and to those before it; with a `window`, to that many in all. None where attention needs
    no mask: it is causal by itself for a whole prompt, and a single token attends to everything.
    """
    is_limited = window is not None and past + new > window
    if not is_limited and (past == 0 or new == 1):
        return None
    of_query = torch.arange(past, past + new, device=device).unsqueeze(1)
    of_key = torch.arange(past + new, device=device)
    mask = of_key <= of_query
    if window is not None:
        mask &= of_key > of_query - window
    return mask[None, None]


class Decoder(StatefulLayer):
    """A decoder layer of transformers with what it needs to know of positions and of earlier tokens."""

    def __init__(self, block: nn.Module, rotary: nn.Module | None) -> None:
        """`rotary` computes rotary position embeddings on the CPU; None for a model that adds its positions to the
        embedding."""
        super().__init__()
        self.block = block
        # The frequencies are computed, not learned. The tuple hides them from `state_dict`, so that they are not sent
        # with the weights, and from the allocation of the weights, which would delete them.
        self.rotary = (rotary,)
        attention = getattr(block, "self_attn", None)
        self.window: int | None = getattr(attention, "sliding_window", None)

    def begin(self) -> LayerCache:
        """Return the cache before the first token."""
        return LayerCache()

    def forward(self, hidden: Tensor, cache: LayerCache | None = None) -> Tensor:
        """Return the output, shape (sequences, tokens, hidden), for a whole prompt or, with a cache, for the tokens
        after those in it, which are added to it."""
        past, new = 0 if cache is None else cache.positions, hidden.shape[1]
        arguments: dict[str, Any] = {} if cache is None else {"past_key_values": cache, "use_cache": True}
        if (rotary := self.rotary[0]) is not None:
            positions = torch.arange(past, past + new, device=hidden.device).unsqueeze(0)
            arguments["position_embeddings"] = rotary(hidden, positions)
        mask = attention_mask(past, new, self.window, hidden.device)
        output: Tensor = self.block(hidden, attention_mask=mask, **arguments)
        return output


class PositionedEmbedding(StatefulLayer):
    """Embeddings of tokens plus learned embeddings of their positions (GPT-2)."""

    def __init__(self, tokens: nn.Module, positions: nn.Module) -> None:
        super().__init__()
        self.tokens, self.positions = tokens, positions

    def begin(self) -> SeenTokens:
        """Return the count before the first token."""
        return SeenTokens()

    def forward(self, tokens: Tensor, seen: SeenTokens | None = None) -> Tensor:
        """Return the embeddings, shape (sequences, tokens, hidden), of a whole prompt or of the tokens after those
        seen. Raises IndexError for more positions than the model has."""
        past, new = 0 if seen is None else seen.positions, tokens.shape[1]
        if seen is not None:
            seen.positions += new
        output: Tensor = self.tokens(tokens) + self.positions(torch.arange(past, past + new, device=tokens.device))
        return output
