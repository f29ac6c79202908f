"""Measurement of quality on small models of drawn weights: against brute force, and after interruptions."""

from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from emulator.activation.codecs import codec
from emulator.activation.concealment import Calibration
from emulator.activation.harms import lost_units
from emulator.core.randomness import generator
from topologies.models.registry import build, example_input
from topologies.quality.measurement import Case, KeptResults, cases, deliver, measure, table
from topologies.quality.subject import Subject, calibrate, judge_language, judge_vision

PLAIN = "packets:100/none/zero"
SEEDS, UNITS, BATCH = 5, 2, 4
RUNS = 3  # of the model for each case: ten windows, four at a time


def language() -> Subject:
    torch.set_num_threads(1)
    tokens = example_input("llama-15m", 3, tokens=SEEDS * UNITS * 12).reshape(SEEDS * UNITS, 12)
    return Subject(build("llama-15m", 0), tokens, tokens, judge_language, "nats a token", 1, BATCH)


def vision() -> Subject:
    torch.set_num_threads(1)
    images = torch.cat([example_input("resnet32", 3, index) for index in range(SEEDS * 4)])
    chain = build("resnet32", 0)
    labels = chain(images).argmax(1, keepdim=True)
    labels[::2] = (labels[::2] + 1) % 10  # half of the answers are wrong
    return Subject(chain, images, labels, judge_vision, "accuracy", 4, 3)


def ignore(*_: object) -> None:
    """Show no progress."""


def test_language_against_brute_force(tmp_path: Path) -> None:
    subject = language()
    subject.prepare((2, 4))
    wanted = [Case(4, "fp32", "scalars/none/zero", 0.5), Case(2, "int4")]
    results = measure(subject, wanted, {}, SEEDS, KeptResults(tmp_path / "kept", {}), ignore)
    losses, agreements = np.empty((2, SEEDS, UNITS)), np.empty((2, SEEDS, UNITS))
    for seed in range(SEEDS):
        for unit in range(UNITS):
            tokens = subject.inputs[[seed * UNITS + unit]]
            unharmed = subject.chain(tokens)[0, :-1]
            for which, cut in ((0, 4), (1, 2)):
                x = subject.chain.run(tokens, 0, cut)
                if which == 0:
                    lost = lost_units(x.numel(), 0.5, 1.0, generator(seed, "scalars", "harm", unit))
                    x = torch.where(torch.from_numpy(lost).reshape(x.shape), 0.0, x)
                else:
                    shape = (12, x.shape[2])
                    payload = codec("int4").encode(x.reshape(shape).numpy())
                    x = torch.from_numpy(codec("int4").decode(payload, shape))[None]
                harmed = subject.chain.run(x, cut, 8)[0, :-1]
                rise = cross_entropy(harmed, tokens[0, 1:]) - cross_entropy(unharmed, tokens[0, 1:])
                losses[which, seed, unit] = rise
                agreements[which, seed, unit] = (harmed.argmax(1) == unharmed.argmax(1)).double().mean()
    for which, case in enumerate(wanted):
        assert results[case].losses == pytest.approx(losses[which], abs=1e-4)
        assert results[case].agreements == pytest.approx(agreements[which])
        assert abs(losses[which]).mean() > 0.01


def test_vision_against_brute_force(tmp_path: Path) -> None:
    subject = vision()
    subject.prepare((1,))
    case = Case(1, "fp32", "scalars/none/zero", 0.6)
    results = measure(subject, [case], {}, SEEDS, KeptResults(tmp_path / "kept", {}), ignore)
    assert subject.unharmed.losses == pytest.approx(0.5)
    for seed in range(SEEDS):
        images, labels = subject.inputs[4 * seed : 4 * seed + 4], subject.truth[4 * seed : 4 * seed + 4]
        x = subject.chain.run(images, 0, 1).clone()
        for index in range(4):
            lost = lost_units(x[index].numel(), 0.6, 1.0, generator(seed, "scalars", "harm", index))
            x[index] *= 1 - torch.from_numpy(lost).reshape(x[index].shape).float()
        answers = subject.chain.run(x, 1, 17).argmax(1, keepdim=True)
        wrong = (answers != labels).double().mean() - 0.5
        assert results[case].losses[seed, 0] == pytest.approx(float(wrong))
        same = (answers == subject.chain(images).argmax(1, keepdim=True)).double().mean()
        assert results[case].agreements[seed, 0] == pytest.approx(float(same))


@pytest.mark.parametrize("make", [language, vision])
def test_no_harm_costs_nothing(make: Callable[[], Subject], tmp_path: Path) -> None:
    subject = make()
    subject.prepare((1, 5))
    for cut in (1, 5):
        scores = subject.scores(cut, subject.matrices(cut).copy())
        assert scores.losses == pytest.approx(subject.unharmed.losses, abs=1e-5)
        assert (scores.agreements == 1).all()
    results = measure(
        subject, [Case(1, "fp32"), Case(5, "fp32")], {}, SEEDS, KeptResults(tmp_path / "kept", {}), ignore
    )
    assert all((each.losses == 0).all() for each in results.values())


def test_units_of_one_seed_differ_and_recipes_meet_the_same_losses() -> None:
    values = np.ones((3, 4, 300), np.float32)
    first, second = (
        deliver(
            values, Case(1, "fp32", f"packets:400/none/{how}", 0.3), Calibration(2 * values[0, 0], np.arange(300)), 1
        )
        for how in ("zero", "mean")
    )
    assert ((first == 0) == (second == 2)).all()
    assert (first[0] != first[1]).any()


def test_an_interrupted_measurement_continues(tmp_path: Path) -> None:
    subject = language()
    subject.prepare((1, 3))
    wanted = cases((1, 3), (), (PLAIN, "noise:2/none/zero"), (0.1, 0.4))
    assert len(wanted) == 2 * (2 + 4)
    whole = measure(subject, wanted, {}, SEEDS, KeptResults(tmp_path / "whole", {"a": 1}), ignore)
    path = tmp_path / "kept"

    class Killed(Exception):
        pass

    def stop(done: int, _: int) -> None:
        if done == 5:
            raise Killed

    with pytest.raises(Killed):
        measure(subject, wanted, {}, SEEDS, KeptResults(path, {"a": 1}), stop)
    kept_lines = path.read_text().splitlines()
    path.write_text("\n".join(kept_lines)[:-7])  # as a process leaves it that is killed while it writes
    kept = KeptResults(path, {"a": 1})
    assert len(path.read_text().splitlines()) == len(kept_lines) - 1
    with patch.object(subject.chain, "run", wraps=subject.chain.run) as runs:
        continued = measure(subject, wanted, {}, SEEDS, kept, ignore)
    assert runs.call_count == RUNS * (len(wanted) - 2 - (len(kept_lines) - 2))  # two cases need no run
    assert list(continued) == list(whole)
    for case, results in whole.items():
        assert (continued[case].losses == results.losses).all()
        assert (continued[case].agreements == results.agreements).all()
    assert len(KeptResults(path, {"a": 2})._found) == 0  # other settings
    kept.remove()
    assert not path.exists()


def test_damaged_results_are_measured_again(tmp_path: Path) -> None:
    subject = language()
    subject.prepare((1,))
    wanted, path = cases((1,), ("int4",), (), ()), tmp_path / "kept"
    whole = measure(subject, wanted, {}, SEEDS, KeptResults(path, {}), ignore)
    head, _, int4 = path.read_text().splitlines()
    short = '[1, "int8", "", 0.0, [9.0], [1.0]]'
    for line in ("[[]]", "{}]]", "\x00]]", '[1, "int8", "", 0.0, ["a"], [[]]', "[" * 9_999 + "]]", short):
        path.write_text("\n".join((head, line, int4, "")))
        again = measure(subject, wanted, {}, SEEDS, KeptResults(path, {}), ignore)
        assert all((again[case].losses == each.losses).all() for case, each in whole.items())
    path.write_bytes(b"\xff\xfe")
    assert KeptResults(path, {}).get(wanted[1]) is None


def test_a_table_has_means_and_intervals(tmp_path: Path) -> None:
    subject = language()
    subject.prepare((3,))
    wanted = cases((3,), ("int4",), (PLAIN,), (0.1, 0.5))
    results = measure(subject, wanted, {}, SEEDS, KeptResults(tmp_path / "kept", {}), ignore)
    made = table(subject, results)
    assert made.base == pytest.approx(float(subject.unharmed.losses.mean()))
    for row, case in zip(made.rows, wanted, strict=True):
        assert (row.cut, row.codec, row.delivery, row.level) == case
        assert row.loss == results[case].losses.mean()
        assert row.low <= row.loss <= row.high
    assert made.rows[0].agreement == 1 > made.rows[-2].agreement > made.rows[-1].agreement  # at levels 0, 0.1, 0.5


def test_calibration() -> None:
    chain = build("llama-15m", 0)
    tokens = example_input("llama-15m", 9, tokens=40).reshape(4, 10)
    found = calibrate(chain, tokens, (1, 4), 3)
    for cut, calibration in found.items():
        rows = chain.run(tokens, 0, cut)[:, 1:].reshape(-1, 288)
        assert calibration.means == pytest.approx(rows.mean(0).numpy(), rel=1e-3, abs=1e-6)
        energies = rows.square().mean(0)[torch.from_numpy(calibration.energy_order)]
        assert (energies.diff() <= 1e-9).all()


def test_judges() -> None:
    logits: Tensor = torch.tensor([[[0.0, 2.0], [1.0, 0.0], [5.0, 5.0]]])
    tokens = torch.tensor([[0, 1, 1]])
    losses, answers = judge_language(logits, tokens)
    assert losses[0].tolist() == pytest.approx([np.log(1 + np.exp(-2)), np.log(1 + np.exp(1))])
    assert answers.tolist() == [[1, 0]]
    wrong, classes = judge_vision(logits[0, :2], torch.tensor([[1], [1]]))
    assert (wrong.tolist(), classes.tolist()) == ([[0.0], [1.0]], [[1], [0]])
