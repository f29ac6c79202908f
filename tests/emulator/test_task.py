"""Tasks have the passes that their model needs; placements become text and back."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.activation.codecs import CODECS
from emulator.core.units import NS_PER_S
from emulator.legs import legs
from emulator.profile import Layer, ModelProfile
from emulator.task import (
    Partition,
    Pass,
    Placement,
    Task,
    TaskKind,
    check_placement,
    describe,
    parse,
    passes,
)
from emulator.trace import constant
from tests.emulator.systems import CHAT, IMAGE, Fixed, input_bytes, key_of, offered, pairs, result_bytes, simulate

MODEL = ModelProfile("five", "vision", "fp32", (3, 8, 8), tuple(Layer(f"l{i}", 1, 2**i, 10 * i) for i in range(5)))
FIVE = TaskKind("five", MODEL, 1, 1, ("int8", "int4"), 1)
NODES = st.text(st.characters(codec="ascii", categories=("L", "N")) | st.sampled_from("-_.:"), min_size=1, max_size=8)


def test_an_image_takes_one_pass_and_its_encoded_bytes() -> None:
    task = Task("ue1", IMAGE, 0, 0)
    assert passes(task) == [Pass(1, 0)]
    assert (input_bytes(task), result_bytes(task)) == (IMAGE.input_bytes, IMAGE.result_bytes)


def test_a_request_prefills_its_prompt_and_decodes_token_by_token() -> None:
    """The prefill yields the first of four tokens; the k-th of the others attends to prompt + k positions."""
    task = Task("ue1", CHAT, 0, 0, prompt_tokens=11, output_tokens=4)
    assert passes(task) == [Pass(11, 5), Pass(1, 12), Pass(1, 13), Pass(1, 14)]
    assert (input_bytes(task), result_bytes(task)) == (11 * 4, 4 * 4)


@given(prompt=st.integers(1, 300), output=st.integers(1, 100))
def test_passes_attend_to_as_many_pairs_of_positions_as_causal_attention_does(prompt: int, output: int) -> None:
    """Every token but the last is computed once; a token at position p attends to p earlier ones, or, in the
    prefill's average, to half the prompt (rounded down)."""
    each = passes(Task("ue1", CHAT, 0, 0, prompt, output))
    assert sum(tokens for tokens, _ in each) == prompt + output - 1
    pairs = sum(tokens * context for tokens, context in each)
    decoded = sum(position + 1 for position in range(prompt, prompt + output - 1))
    assert pairs == prompt * (prompt // 2) + decoded


CODEC_NAMES = st.sampled_from(["", *CODECS])


@given(st.lists(st.tuples(NODES, st.integers(0, 99), st.integers(0, 99), CODEC_NAMES), min_size=1, max_size=4))
def test_a_placement_survives_its_text(parts: list[tuple[str, int, int, str]]) -> None:
    placement = tuple(Partition(*part) for part in parts)
    assert parse(describe(placement)) == placement


def test_describe_reads_as_the_design_says() -> None:
    assert describe((Partition("ue1", 0, 5), Partition("edge1", 5, 16))) == "ue1:0-5|edge1:5-16"
    assert describe((Partition("ue1", 0, 5), Partition("edge1", 5, 16, "int4"))) == "ue1:0-5|edge1:5-16@int4"


@pytest.mark.parametrize(
    "text",
    ["", "ue1", "ue1:", "ue1:3", "ue1:a-b", ":0-5", "ue1:0-5|", "ue1:-1-5", "ue1:0-5|edge1", "ue1:0-5@", "ue1@int4"],
)
def test_other_text_is_no_placement(text: str) -> None:
    with pytest.raises(ValueError, match="must look like"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "ue1:0-5",
        "ue1:0-1|edge1:1-5",
        "ue1:0-1|edge1:1-2|ue1:2-5",
        "a:0-1|b:1-2|c:2-3|d:3-4|e:4-5",
        "a:0-1|b:1-5@int8",
        "a:0-1|b:1-2@int4|c:2-5",
    ],
)
def test_placements_that_cover_the_model_pass(text: str) -> None:
    check_placement(parse(text), FIVE)


@pytest.mark.parametrize(
    ("placement", "rule"),
    [
        (parse("ue1:0-4"), "must end at layer 5 of five"),
        (parse("ue1:0-6"), "must end at layer 5 of five"),
        (parse("ue1:1-5"), "must start at layer 0"),
        (parse("ue1:0-2|edge1:3-5"), "partition of edge1 must start at layer 2"),
        (parse("ue1:0-3|edge1:2-5"), "partition of edge1 must start at layer 3"),
        (parse("ue1:0-2|edge1:2-2|ue1:2-5"), "partition of edge1 must start at layer 2"),
        (parse("ue1:0-5@int8"), "ue1 must have no codec, as it takes the input"),
        (parse("ue1:0-2|edge1:2-5@fp16"), "codec of edge1 must be int8 or int4$"),
        (parse("ue1:0-2|edge1:2-5@int3"), "codec of edge1 must be int8 or int4$"),
        ((), "must end at layer 5"),
    ],
)
def test_placements_with_holes_overlaps_empty_parts_or_other_codecs_are_refused(
    placement: Placement, rule: str
) -> None:
    with pytest.raises(ValueError, match=rule):
        check_placement(placement, FIVE)


def test_profile_counts_bytes_by_codec_and_layers() -> None:
    assert [MODEL.activation_bytes(3, 7, codec) for codec in ("int8", "fp16", "fp32")] == [7 * (4 + 20), 280, 560]
    assert MODEL.weight_bytes(1, 4) == 2 + 4 + 8
    assert MODEL.weight_bytes(2, 2) == 0


@given(
    st.integers(1, 9),
    st.integers(1, 5),
    st.lists(st.sampled_from(["ue1", "edge1", "cloud"]), min_size=1, max_size=4),
    st.sampled_from(["", "int8", "int4"]),
)
def test_legs_visit_each_partition_in_each_pass_and_end_at_the_source(
    prompt: int, output: int, nodes: list[str], codec: str
) -> None:
    """Each leg starts where the one before ended; sizes by the definition, written a second time."""
    task = Task("ue1", CHAT, 0, 0, prompt, output)
    cuts = [0, *range(1, len(nodes)), 4]
    placement = tuple(
        Partition(node, cuts[i], cuts[i + 1], codec if i % 2 else "") for i, node in enumerate(nodes)
    )  # the codecs differ from cut to cut
    found = list(legs(task, placement))
    steps = output if len(nodes) > 1 else 1
    assert [(leg.step, leg.stage) for leg in found[:-1]] == [(s, i) for s in range(steps) for i in range(len(nodes))]
    assert [leg.source for leg in found] == ["ue1", *(leg.target for leg in found[:-1])]
    assert found[-1][:2] == (steps - 1, len(nodes))
    assert (found[-1].target, found[-1].size_bytes, found[-1].passes) == ("ue1", 4 * output, ())
    assert [step for leg in found if leg.stage == 0 for step in leg.passes] == passes(task)
    for leg in found[:-1]:
        tokens = prompt if leg.step == 0 else 1
        first = placement[leg.stage].first
        resolved = (codec if leg.stage % 2 else "") or "int8" if first else ""
        expected = CHAT.model.activation_bytes(first, tokens, resolved) if first else 4 * tokens
        assert (leg.codec, leg.size_bytes) == (resolved, expected)
    assert found[-1].codec == ""


@pytest.mark.parametrize("placement", ["ue1:0-5", "edge1:0-5", "ue1:0-2|edge1:2-5", "edge1:0-1|ue1:1-3|edge1:3-5"])
def test_messages_are_as_large_as_the_simulations(placement: str, tmp_path: Path) -> None:
    """On links without delay, where a byte takes 1 us, what a task that is alone spends on its way is its bytes."""
    system = pairs(1, rate_per_s=0.5, duration_ns=60 * NS_PER_S)
    wires = tuple(replace(link, trace=constant(8e6), delay_ns=0) for link in system.links)
    system = replace(system, links=wires)
    split = {"image": parse(placement), "chat": parse(placement.replace("-5", "-4"))}
    outcome = simulate(system, Fixed({("ue1", kind): each for kind, each in split.items()}), tmp_path)
    tasks = offered(system)
    assert {key_of(row)[1] for row in outcome.tasks} == {"image", "chat"}
    for row in outcome.tasks:
        task, where = tasks[key_of(row)], split[row["kind"]]
        sent_bytes = sum(leg.size_bytes for leg in legs(task, where) if leg.source != leg.target)
        assert row["transfer_ns"] - row["link_waiting_ns"] == sent_bytes * 1_000
