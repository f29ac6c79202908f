"""The packaged language model: conversion, split against whole, generation with a cache, perplexity."""

import json
import math
import pydoc_data.topics
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from topologies.models.chain import Chain, Session
from topologies.models.language.packages import PACKAGES, shipped_folder
from topologies.models.language.tokenizer import load_tokenizer, text_tokens, tokens_text
from topologies.models.registry import build

pytestmark = pytest.mark.usefixtures("one_thread")

NAME = "smollm2-135m"
LAYERS = 32
PROMPT = "The capital of France is"


@pytest.fixture(scope="module")
def whole() -> Chain:
    return build(NAME, 0)


@pytest.fixture(scope="module")
def reference() -> Any:
    """The same weights in the classes of transformers alone."""
    folder = shipped_folder(NAME)
    with torch.device("meta"):
        model: Any = LlamaForCausalLM(LlamaConfig(**dict(folder.config)))
    model.set_attn_implementation("sdpa")
    tensors = load_file(folder.weight_files[0])
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    model.load_state_dict(tensors, assign=True)
    model.model.rotary_emb = type(model.model.rotary_emb)(model.config)
    return model.train(mode=False)


def prompt_tokens(text: str = PROMPT) -> Tensor:
    return torch.tensor([text_tokens(load_tokenizer(shipped_folder(NAME)), text)])


def test_plan_is_that_of_the_packages_file() -> None:
    assert json.loads((shipped_folder(NAME).path / "config.json").read_text()) == PACKAGES["smollm2"].settings


def test_whole_chain_equals_transformers(whole: Chain, reference: Any) -> None:
    tokens = prompt_tokens("\n".join(pydoc_data.topics.topics.values())[:600])
    with torch.no_grad():
        assert torch.equal(whole(tokens), reference(tokens, use_cache=False).logits)


@pytest.mark.parametrize("cut", range(1, LAYERS, 6))
def test_split_equals_the_whole(whole: Chain, cut: int) -> None:
    """Small models of the same architecture are cut everywhere: see test_architectures.py."""
    tokens = prompt_tokens()
    expected = whole(tokens)
    activation = build(NAME, 0, 0, cut)(tokens)
    found = build(NAME, 0, cut)(torch.from_numpy(activation.numpy().copy()))
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("cut", [16])
def test_greedy_text_of_two_partitions_with_caches_is_that_of_generate(reference: Any, cut: int) -> None:
    tokens = prompt_tokens()
    expected = reference.generate(
        tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=32, do_sample=False, eos_token_id=None
    )
    near, far = build(NAME, 0, 0, cut), build(NAME, 0, cut)
    of_near, of_far = Session(), Session()
    found = tokens[0].tolist()
    x = tokens
    for _ in range(32):
        scores = far(near(x, of_near), of_far)
        found.append(int(scores[0, -1].argmax()))
        x = torch.tensor([found[-1:]])
    assert found == expected[0].tolist()
    tokenizer = load_tokenizer(shipped_folder(NAME))
    assert tokens_text(tokenizer, found).startswith(f"{PROMPT} Paris")


def test_digits_are_single_tokens_and_texts_come_back() -> None:
    tokenizer = load_tokenizer(shipped_folder(NAME))
    tokens = text_tokens(tokenizer, "In 2026, naïve café\n\n<|im_start|>")
    assert [tokenizer.id_to_token(token) for token in tokens[2:6]] == list("2026")
    assert tokens[-1] == 1
    assert tokens_text(tokenizer, tokens) == "In 2026, naïve café\n\n<|im_start|>"


def test_perplexity_of_the_first_windows(whole: Chain) -> None:
    """3 windows of 512 tokens; all 220 of the text have a perplexity of 13.25."""
    tokens = prompt_tokens("\n".join(pydoc_data.topics.topics.values()))[0]
    losses = []
    for start in range(0, 3 * 512, 512):
        window = tokens[start : start + 512]
        losses.append(torch.nn.functional.cross_entropy(whole(window[None])[0, :-1], window[1:]).item())
    assert math.exp(sum(losses) / len(losses)) == pytest.approx(13.73, abs=0.02)
