"""YAML that a scenario is not meant to be: one line for each mistake, with its line, and in bounded time."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.topologies.loading.bad_scenarios import GOOD
from topologies.loading.loader import load

KINDS = ["int", "float", "bool", "timestamp", "null", "binary", "set", "omap", "pairs", "map", "seq", "str"]


def mistakes(text: str, path: Path) -> list[str]:
    path.write_text(text, encoding="utf-8")
    try:
        load(path)
    except ValueError as error:
        return str(error).splitlines()
    return []


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(KINDS), value=st.text("0123456789xboe+-_.:* aT[]{}", max_size=6))
def test_field_value_that_its_tag_does_not_fit_is_a_line(
    kind: str, value: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = mistakes(f"{GOOD}colour: !!{kind} '{value}'\n", tmp_path_factory.getbasetemp() / "tag.yaml")
    assert len(found) == 1
    assert found[0].startswith(("tag.yaml:47: colour=", "tag.yaml: line 47: must be YAML: "))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0x_", "0x_ is no int"),
        ("2024-13-45", "2024-13-45 is no timestamp"),
        ("!!bool z", "z is no bool"),
        ("!!float ''", "'' is no float"),
        ("!!timestamp noon", "noon is no timestamp"),
    ],
)
def test_field_value_that_cannot_be_read_has_its_line(value: str, message: str, tmp_path: Path) -> None:
    text = GOOD.replace("seed: 1", f"seed: {value}")
    assert mistakes(text, tmp_path / "small.yaml") == [f"small.yaml: line 3: must be YAML: {message}"]
    with pytest.raises(ValueError, match=r"^small.yaml: --set seed=.*: must have a YAML value$"):
        load_with(tmp_path / "small.yaml", f"seed={value}")


def load_with(path: Path, override: str) -> None:
    path.write_text(GOOD)
    load(path, [override])


def test_field_keys_are_text_as_written(tmp_path: Path) -> None:
    """YAML reads `no`, `1` and `null` as other values; as keys they are names, or unknown keys with their lines."""
    path = tmp_path / "small.yaml"
    text = GOOD.replace("device: phone", 'device: "no"').replace("  phone:", "  no:")
    assert mistakes(text, path) == []
    found = mistakes(
        GOOD.replace("seed: 1", "seed: 1\nno: 1\n1: 2\n~: 3\n0x1: 4").replace("{node:", "{no: 1, node:"), path
    )
    assert [line.partition(": is")[0] for line in found] == [
        "small.yaml:4: no=1",
        "small.yaml:5: 1=2",
        "small.yaml:6: ~=3",
        "small.yaml:7: 0x1=4",
        "small.yaml:37: control.no=1",
        "small.yaml:50: realtime.commands[0].no=1",
    ]


def test_field_aliases_do_not_multiply_without_end(tmp_path: Path) -> None:
    """Ten lines stand for 8 to the power of 10 values."""
    rows = "".join(f"b{level}: &b{level} [{', '.join([f'*b{level - 1}'] * 8)}]\n" for level in range(1, 11))
    merged = "".join(f"m{level}: &m{level} {{<<: [{', '.join([f'*m{level - 1}'] * 8)}]}}\n" for level in range(1, 11))
    for bomb in (f"b0: &b0 1\n{rows}", f"m0: &m0 {{a: 1}}\n{merged}"):
        assert mistakes(GOOD + bomb, tmp_path / "bomb.yaml") == [
            "bomb.yaml: must be YAML: aliases must repeat at most 100000 values"
        ]


def test_field_key_of_another_type_is_not_suggested_for_itself(tmp_path: Path) -> None:
    text = GOOD.replace("{type: random}", "{type: random, splits: {image: {cut: 2, node: edge1}}}")
    (line,) = mistakes(text, tmp_path / "small.yaml")
    assert line.startswith("small.yaml:36: policies[0].splits=")
    assert line.endswith(": is not a key of this type")
