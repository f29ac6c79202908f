"""The command line in new processes."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import airsplit
from airsplit.cli import main

ROOT = Path(airsplit.__file__).parents[1]
COMMAND = [sys.executable, "-m", "airsplit"]
# Processes are forked from one that has imported what commands need, which takes longer than most commands.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "tests.commands",
        *(f"airsplit.{name}" for name in ("rerun", "sensitivity")),
        *("agents.training", "agents.learning.a3c", "agents.learning.fast_ppo", "emulator.channel.generate"),
        *("results.figures.draw", "results.report"),
        *("topologies.models.language.tokenizer", "topologies.quality.continuation"),
    ]
)


def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `airsplit` in a new process, with the variables of this one."""
    words = [*COMMAND[-1:], *map(str, arguments)]
    with TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = FORKS.Process(target=_run, args=(words, out, err, dict(os.environ)))
        process.start()
        try:
            process.join()
        finally:
            process.kill()
        assert process.exitcode is not None
        return subprocess.CompletedProcess(words, process.exitcode, out.read_text(), err.read_text())


def call_anew(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `airsplit` in a new process that also imports anew, with these variables besides those of this one."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ | variables,
    )  # fmt: skip


def _run(words: list[str], out: Path, err: Path, variables: dict[str, str]) -> None:
    for descriptor, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(ROOT)
    sys.argv = words
    main()
