"""A small model with weights from a seed: what is written depends on the codecs as on any activation."""

import numpy as np
import pytest
import torch

from emulator.activation.codecs import CODECS
from topologies.models.chain import Chain
from topologies.models.registry import build
from topologies.quality.continuation import Cut, continuation

PROMPT = (3, 17, 250, 9, 31, 4, 77)


@pytest.fixture(scope="module")
def chain() -> Chain:
    torch.set_num_threads(1)
    return build("llama-15m", 5)


def _whole(chain: Chain, tokens: list[int], cuts: tuple[Cut, ...]) -> torch.Tensor:
    """Return the logits after all tokens, computed at once, token by token through the codecs."""
    x, first = torch.tensor([tokens]), 0
    for cut, codec in cuts:
        x = chain.run(x, first, cut)
        rows = [CODECS[codec].decode(CODECS[codec].encode(row[None].numpy()), (1, x.shape[2])) for row in x[0]]
        x, first = torch.from_numpy(np.stack(rows, axis=1)), cut
    return chain.run(x, first, len(chain.plan.layers))[0]


@pytest.mark.parametrize("cuts", [(), (Cut(3, "int4"),), (Cut(2, "int4"), Cut(5, "topk10"))])
def test_text_is_that_of_the_whole_model_computed_anew_for_each_token(chain: Chain, cuts: tuple[Cut, ...]) -> None:
    found = continuation(chain, PROMPT, cuts, 6)
    tokens = list(PROMPT)
    for written in found.tokens:
        assert written == int(_whole(chain, tokens, cuts)[-1].argmax())
        tokens.append(written)
    logits = _whole(chain, list(PROMPT), cuts)[:-1]
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(PROMPT[1:]))
    assert found.perplexity == pytest.approx(float(loss.exp()), rel=1e-4)


def test_exact_codec_changes_nothing_and_a_coarse_one_does(chain: Chain) -> None:
    unharmed = continuation(chain, PROMPT, (), 4)
    assert continuation(chain, PROMPT, (Cut(4, "fp32"),), 4) == unharmed
    assert continuation(chain, PROMPT, (Cut(4, "topk10"),), 4).perplexity != pytest.approx(unharmed.perplexity)
