"""Language models of each supported architecture against transformers: whole, split, and with a cache."""

from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.topologies.models.small_models import VOCABULARY, save_model
from topologies.models.chain import Chain, ModelPlan, Session
from topologies.models.language.decoder import attention_mask
from topologies.models.language.folder_plan import folder_plan
from topologies.models.language.model_folder import ModelFolder

pytestmark = pytest.mark.usefixtures("one_thread")

TOKENS = torch.arange(0, 2 * 29 * 7, 7).reshape(2, 29) % VOCABULARY
ARCHITECTURES = ("llama", "llama-scaled", "qwen2", "qwen2-sliding", "qwen3", "gpt2-scaled")
TOLERANCE = 1e-5


class Saved(NamedTuple):
    plan: ModelPlan
    reference: Any


@pytest.fixture(scope="module", params=ARCHITECTURES)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp(request.param)
    reference = save_model(request.param, folder)
    return Saved(folder_plan("small", ModelFolder(folder)), reference)


def slice_of(plan: ModelPlan, first: int = 0, stop: int | None = None) -> Chain:
    chain = Chain(plan, first, len(plan.layers) if stop is None else stop)
    chain.materialise(0)
    return chain


def assert_close(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= TOLERANCE * expected.abs().max()


def test_whole_chain_equals_transformers(saved: Saved) -> None:
    with torch.no_grad():
        expected = saved.reference(TOKENS, use_cache=False).logits
    assert expected.std() > 0.1
    assert_close(slice_of(saved.plan)(TOKENS), expected)


def test_split_equals_the_whole_at_every_cut(saved: Saved) -> None:
    expected = slice_of(saved.plan)(TOKENS)
    for cut in range(1, len(saved.plan.layers)):
        assert_close(slice_of(saved.plan, cut)(slice_of(saved.plan, 0, cut)(TOKENS)), expected)


@pytest.mark.parametrize("prompt", [1, 5, 28])
def test_passes_with_a_cache_give_what_one_pass_gives(saved: Saved, prompt: int) -> None:
    """A prompt, two tokens at once, and the others one at a time, through three slices with sessions of their own."""
    expected = slice_of(saved.plan)(TOKENS)
    slices = [slice_of(saved.plan, first, stop) for first, stop in ((0, 1), (1, 3), (3, None))]
    sessions = [Session() for _ in slices]
    bounds = [0, prompt, *range(min(prompt + 2, 29), 30)]
    outputs = []
    for start, stop in pairwise(bounds):
        x = TOKENS[:, start:stop]
        for chain, session in zip(slices, sessions, strict=True):
            x = chain(x, session)
        outputs.append(x)
    assert_close(torch.cat(outputs, dim=1), expected)


def test_greedy_text_of_two_partitions_is_that_of_generate(saved: Saved) -> None:
    tokens = TOKENS[:1, :9]
    expected = saved.reference.generate(
        tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=64, do_sample=False, eos_token_id=None
    )
    near, far = slice_of(saved.plan, 0, 3), slice_of(saved.plan, 3)
    sessions = Session(), Session()
    found, x = tokens[0].tolist(), tokens
    for _ in range(64):
        found.append(int(far(near(x, sessions[0]), sessions[1])[0, -1].argmax()))
        x = torch.tensor([found[-1:]])
    assert found == expected[0].tolist()


def test_a_cache_holds_what_the_plan_says(saved: Saved) -> None:
    chain, session = slice_of(saved.plan), Session()
    chain(TOKENS, session)
    planned = {str(index): layer.kv_elements * TOKENS.numel() for index, layer in enumerate(saved.plan.layers)}
    assert {index: elements for index, elements in planned.items() if elements} == session.elements


def test_weights_in_several_files_are_those_of_one(saved: Saved, tmp_path: Path) -> None:
    saved.reference.save_pretrained(tmp_path, max_shard_size="60KB")
    folder = ModelFolder(tmp_path)
    assert len(folder.weight_files) > 2
    assert torch.equal(slice_of(folder_plan("small", folder))(TOKENS), slice_of(saved.plan)(TOKENS))


def test_names_without_the_prefix_of_the_base_model_are_found(saved: Saved, tmp_path: Path) -> None:
    saved.reference.base_model.save_pretrained(tmp_path)
    chain = Chain(folder_plan("small", ModelFolder(tmp_path)), 0, 3)
    chain.materialise(0)
    assert torch.equal(chain(TOKENS), slice_of(saved.plan, 0, 3)(TOKENS))


def test_half_precision_is_close(saved: Saved, tmp_path: Path) -> None:
    saved.reference.save_pretrained(tmp_path)
    plan = folder_plan("small", ModelFolder(tmp_path), "bf16")
    expected = slice_of(saved.plan)(TOKENS)
    found = slice_of(plan)(TOKENS)
    assert found.dtype == torch.bfloat16
    assert (found.float() - expected).abs().mean() <= 0.03 * expected.abs().max()


@given(st.integers(0, 9), st.integers(1, 9), st.none() | st.integers(1, 12))
def test_mask_lets_a_token_see_itself_and_the_window_before_it(past: int, new: int, window: int | None) -> None:
    mask = attention_mask(past, new, window, torch.device("cpu"))
    allowed = [
        [key <= past + query and (window is None or key > past + query - window) for key in range(past + new)]
        for query in range(new)
    ]
    if mask is not None:
        assert mask[0, 0].tolist() == allowed
    elif past == 0:  # attention is then causal by itself
        assert allowed == [[key <= query for key in range(new)] for query in range(new)]
    else:
        assert all(map(all, allowed))
