"""Prompts from texts on workers: the answer is that of the whole model for the text, not for drawn tokens."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from emulator.workload import Tokens
from hil.control_messages import Start, decode, encode
from hil.errors import Malformed
from hil.mqtt.broker import Broker
from hil.runtime import Runtime
from hil.task_inputs import input_prompt
from hil.testbed.coordinator import Coordinator
from tests.hil.lab import NODE_WORKERS, kind, split, system, task
from topologies.models.registry import build

TEXT, IMAGE = kind("llama-15m", "fp32"), kind("resnet32", "fp32")
PROMPTS = ((5, 6, 7), (31_999, 0), (1, 2, 3, 4))


def test_workers_compute_on_the_texts_that_tasks_have(lab: Broker) -> None:
    facts = system([TEXT])
    facts = replace(facts, streams=(replace(facts.streams[0], tokens=Tokens(3, 4, 2, 4, PROMPTS)),))
    whole = build("llama-15m", 0)
    seen = set()
    with Coordinator(lab.address, NODE_WORKERS, facts) as coordinator:
        coordinator.deploy()
        for number in range(5):
            wanted = task(TEXT, number)
            prompt = input_prompt(facts, wanted)
            inference = coordinator.infer(wanted._replace(prompt_tokens=len(prompt)), split(TEXT, 4))
            expected = whole(torch.tensor([prompt]))[:, -1].numpy()
            assert inference.failure is None and inference.result is not None
            assert np.abs(inference.result - expected).max() <= 1e-5 * np.abs(expected).max()
            seen.add(prompt)
    assert 1 < len(seen) <= len(PROMPTS)
    assert seen <= set(PROMPTS)


def test_tasks_without_texts_have_none() -> None:
    assert input_prompt(system([IMAGE, TEXT]), task(IMAGE)) == ()
    assert input_prompt(system([IMAGE, TEXT]), task(TEXT)) == ()


def test_long_prompts_travel_and_others_are_refused() -> None:
    start = Start(1, 2, 1, 2, 3, 16_384, 10**9, tuple(range(16_384)))
    assert decode(encode(start)) == start
    with pytest.raises(Malformed, match=r"Start\.prompt: must be 5 tokens"):
        decode(encode(start).replace(b'"tokens":16384', b'"tokens":5'))
    with pytest.raises(ValueError, match="llama-15m: token 32000: must be below 32000"):
        Runtime().task_input("llama-15m", 1, 2, (5, 32_000))
