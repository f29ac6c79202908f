"""Prompts from texts on stations: the first partition's input is the text's tokens."""

from dataclasses import replace
from pathlib import Path

import pytest

from emulator.workload import Tokens
from hil.mqtt.address import Address
from hil.stations.layers import NodeLayers
from hil.stations.planning import make_schedule
from hil.stations.schedule import read_schedule, write_schedule
from hil.task_inputs import input_prompt
from tests.hil.lab import kind, split, system, task

TEXT = kind("llama-15m", "int8")
PROMPTS = ((5, 6, 7), (31_999, 0), (1, 2, 3, 4))
ADDRESSES = {"ue1": Address("10.77.0.1", 5700), "edge1": Address("10.77.0.2", 5700)}
BROKER = Address("10.77.0.3", 1883)


def test_first_partition_computes_on_the_text(tmp_path: Path) -> None:
    facts = system([TEXT], cuts=[2])
    facts = replace(facts, streams=(replace(facts.streams[0], tokens=Tokens(3, 4, 2, 4, PROMPTS)),))
    prompts = [input_prompt(facts, task(TEXT, number)) for number in range(4)]
    tasks = [task(TEXT, number, prompt=len(prompt)) for number, prompt in enumerate(prompts)]
    schedule = make_schedule(facts, [(each, split(TEXT, 2)) for each in tasks], ADDRESSES, BROKER)
    assert [job.prompt for job in schedule.jobs] == prompts
    write_schedule(tmp_path / "schedule.json", schedule)
    assert read_schedule(tmp_path / "schedule.json") == schedule
    layers = NodeLayers(schedule, "ue1")
    for job in schedule.jobs:
        assert tuple(layers.input(job)[0].tolist()) == job.prompt
    with pytest.raises(ValueError, match=r"jobs\[0\]\.prompt: must be 9 tokens"):
        replace(schedule, jobs=(replace(schedule.jobs[0], prompt_tokens=9),))
