"""What a language model writes after a prompt, and how likely it finds the prompt, if codecs harm its activations."""

from collections.abc import Sequence
from math import exp
from typing import NamedTuple

import torch
from torch import Tensor

from emulator.activation.codecs import CODECS
from topologies.models.chain import Chain, Session
from topologies.quality.subject import judge_language


class Cut(NamedTuple):
    """The first layer after a cut, and the codec of the activation there."""

    layer: int
    codec: str


class Continuation(NamedTuple):
    """`tokens`: the most likely continuation, greedily. `perplexity`: of the prompt's tokens but the first."""

    tokens: tuple[int, ...]
    perplexity: float


@torch.inference_mode()
def continuation(chain: Chain, prompt: Sequence[int], cuts: Sequence[Cut], length: int) -> Continuation:
    """Return what a whole model writes after a prompt of at least two tokens if its activations are encoded and decoded
    at the cuts, as a placement sends them: those of the prompt at once, then those of one token at a time."""
    session = Session()
    x = torch.tensor([list(prompt)])
    logits = _pass(chain, x, cuts, session)
    losses, _ = judge_language(logits, x)
    written: list[int] = []
    while len(written) < length:
        written.append(int(logits[0, -1].argmax()))
        if len(written) < length:
            logits = _pass(chain, torch.tensor([written[-1:]]), cuts, session)
    return Continuation(tuple(written), exp(float(losses.mean())))


def _pass(chain: Chain, x: Tensor, cuts: Sequence[Cut], session: Session) -> Tensor:
    first = 0
    for cut, codec in cuts:
        x = chain.run(x, first, cut, session)
        matrix = x[0].float().numpy()
        payload = CODECS[codec].encode(matrix)
        x = torch.from_numpy(CODECS[codec].decode(payload, (matrix.shape[0], matrix.shape[1])))[None].to(x.dtype)
        first = cut
    return chain.run(x, first, len(chain.plan.layers), session)
