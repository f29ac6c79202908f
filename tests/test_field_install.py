"""What the field does to an installation: where it lies, who runs it, and with which environment. Real processes."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from emulator.core.machine_code import cache_folder
from emulator.core.sources import PACKAGES, ROOT, own_process
from emulator.trace import constant

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: run as root to test other users and mounts")
STRANGER = ("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups")  # no entry in passwd
ALL_EDGE = ("--set", "hil.policies=[all-edge]", "--set", "realtime.policy=all-edge")
COMMAND = (sys.executable, "-m", "airsplit")
TWO_FILES = {
    "inner.py": "from emulator.core.compiled import compiled\n@compiled\ndef inner(x):\n    return x + 1\n",
    "outer.py": "from emulator.core.compiled import compiled\nfrom emulator.inner import inner\n"
    "@compiled\ndef outer(x):\n    return inner(x) * 10\n",
}
ASK = "from emulator.outer import outer; from emulator.core.machine_code import cache_folder; "
ASK += "print(outer(1), cache_folder())"


@pytest.fixture
def place() -> Iterator[Path]:
    """Yield a folder that every user can read, unlike `tmp_path`."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def installed(folder: Path) -> Path:
    """Copy the packages, without compiled files, to a folder; two tiny compiled functions with them."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    for name, text in TWO_FILES.items():
        (folder / "emulator" / name).write_text(text)
    return folder


def start(*command: str | Path, cwd: Path | str = "/", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program with these variables besides those of this process."""
    return subprocess.run(
        [str(each) for each in command],
        cwd=cwd, env=os.environ | variables, capture_output=True, text=True, errors="replace", check=False, timeout=280,
    )  # fmt: skip


def start_bare(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program with these variables and PATH alone."""
    kept = {"PATH": os.environ["PATH"]} | variables
    return start("env", "-i", *(f"{name}={value}" for name, value in kept.items()), *command)


def asked(install: Path, *wrapper: str, **variables: str) -> list[str]:
    """Return the value that compiled code computes in a new process, and the folder of its machine code."""
    command = (*wrapper, sys.executable, "-B", "-c", ASK)
    done = start_bare(*command, PYTHONPATH=str(install), **variables)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize("root", ["NUMBA_CACHE_DIR", "package", "XDG_CACHE_HOME", "HOME", "TMPDIR"])
def test_field_updated_sources_never_run_old_machine_code(place: Path, root: str) -> None:
    install, folder = installed(place / "install"), place / "cache"
    folder.mkdir()
    variables = {"HOME": "/dev/null"} | ({} if root == "package" else {root: str(folder)})
    if root != "package":
        (install / "emulator" / "__pycache__").touch()  # so that no folder can be made there
    value, first = asked(install, **variables)
    assert value == "20"
    assert Path(first).is_relative_to(install if root == "package" else folder)
    assert list(Path(first).rglob("outer*.nbc"))
    (install / "emulator" / "inner.py").write_text(TWO_FILES["inner.py"].replace("x + 1", "x + 7"))
    value, second = asked(install, **variables)
    assert value == "80"
    assert Path(second).parent == Path(first).parent


def test_field_numbas_own_choice_of_folders_is_not_followed(place: Path) -> None:
    """Numba's folder beside a file knows of changes in this file alone."""
    install = installed(place / "install")
    variables = {"NUMBA_CACHE_LOCATOR_CLASSES": "InTreeCacheLocator", "HOME": "/dev/null"}
    assert asked(install, **variables)[0] == "20"
    (install / "emulator" / "inner.py").write_text(TWO_FILES["inner.py"].replace("x + 1", "x + 7"))
    assert asked(install, **variables)[0] == "80"


def test_field_changed_tables_are_changed_sources(place: Path) -> None:
    install = installed(place / "install")
    before = asked(install)[1]
    table = next((install / "emulator").rglob("tables/*.json"))
    table.write_text(table.read_text() + "\n")
    assert asked(install)[1] != before


def test_field_folders_that_are_not_used_are_not_made(place: Path) -> None:
    install, home, temporary = installed(place / "install"), place / "home", place / "tmp"
    home.mkdir()
    temporary.mkdir()
    for _ in range(2):
        folder = Path(asked(install, HOME=str(home), TMPDIR=str(temporary))[1])
        assert folder.is_relative_to(install)
        assert not [*home.iterdir(), *temporary.iterdir()]


def test_field_damaged_machine_code_is_compiled_anew(place: Path) -> None:
    install = installed(place / "install")
    folder = Path(asked(install)[1])
    for suffix, content in (("nbi", b""), ("nbc", b""), ("nbi", b"no pickle"), ("nbc", b"\x80\x05K\x01.")):
        for path in folder.rglob(f"*.{suffix}"):
            path.write_bytes(content)
        assert asked(install) == ["20", str(folder)]


def test_field_full_disk_keeps_machine_code_in_memory(place: Path) -> None:
    install = installed(place / "install")
    command = ("prlimit", "--fsize=1000", sys.executable, "-c", ASK)
    done = start(*command, PYTHONPATH=str(install), NUMBA_CACHE_DIR=str(place / "cache"))
    assert (done.returncode, done.stdout.split()[0], done.stderr.count("\n")) == (0, "20", 1)
    assert "machine code is not kept" in done.stderr
    assert "set NUMBA_CACHE_DIR to a folder that can be written" in done.stderr


@AS_ROOT
def test_field_machine_code_of_a_read_only_install_is_used_by_other_users(place: Path) -> None:
    install = installed(place / "install")
    folder = Path(asked(install)[1])
    (folder / "complete").touch()
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*.nb?")}
    assert asked(install, *STRANGER) == ["20", str(folder)]
    assert files == {path: path.stat().st_mtime_ns for path in folder.rglob("*.nb?")}


@AS_ROOT
def test_field_folder_that_others_can_write_is_not_trusted(place: Path) -> None:
    install, temporary = installed(place / "install"), place / "tmp"
    temporary.mkdir()
    temporary.chmod(0o1777)
    foreign = temporary / "airsplit-54321"  # made by root, not by the user who asks
    foreign.mkdir()
    assert asked(install, *STRANGER, TMPDIR=str(temporary)) == ["20", "None"]
    foreign.rmdir()
    value, folder = asked(install, *STRANGER, TMPDIR=str(temporary))
    assert (value, Path(folder).parent) == ("20", foreign)
    assert foreign.stat().st_mode & 0o777 == 0o700


@AS_ROOT
@pytest.mark.parametrize("variables", [{}, {"HOME": "/root"}, {"HOME": "/none"}, {"HOME": ""}], ids=str)
def test_field_read_only_install_home_and_unknown_user_start(place: Path, variables: dict[str, str]) -> None:
    """An install on a read-only mount, an arbitrary user id, no home and nothing that can be written."""
    install = installed(place / "install")
    constant(1e6).save(place / "t.parquet")
    read_only = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    wrapper = ("unshare", "--mount", "sh", "-c", read_only, str(place), *STRANGER)
    for arguments in (("--version",), ("--help",), ("trace", "info", str(place / "t.parquet"))):
        done = start_bare(*wrapper, *COMMAND, *arguments, PYTHONPATH=str(install), TMPDIR=str(place), **variables)
        assert (done.returncode, done.stderr) == (0, "")


@AS_ROOT
def test_field_unknown_user_runs_a_scenario(place: Path) -> None:
    """The machine code of this installation is found although the user cannot write it."""
    out = place / "out"
    out.mkdir()
    out.chmod(0o777)
    folder = cache_folder()
    assert folder is not None
    command = (*COMMAND, "run", ROOT / "topologies" / "quickstart.yaml", "--quiet", "--set", "duration_s=1")
    lengths = "tasks[1].tokens={prompt_mean: 12, prompt_max: 32, output_mean: 4, output_max: 12}"
    untrained = ("--set", "tasks[1].prompts=null", "--set", lengths)  # a tokenizer needs a folder for models
    simple = ("--set", "policies=[{type: all-edge}]", *ALL_EDGE, *untrained, "--out", out)
    done = start_bare(
        *STRANGER, *command, *simple, "--json",
        PYTHONPATH=str(ROOT), NUMBA_CACHE_DIR=str(folder.parent), TMPDIR=str(out), LC_ALL="C", PYTHONIOENCODING="ascii",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    manifest = json.loads((Path(json.loads(done.stdout)["run"]) / "manifest.json").read_text())
    assert len(manifest["source_sha256"]) == 64
    assert {check["name"] for check in manifest["checks"]} == {"Little's law", "cost at least the bound"}


def test_field_run_below_its_bound_ends_with_code_5(place: Path) -> None:
    """An installation whose bound is wrong, as with stale machine code: the run says so."""
    install, folder = installed(place / "install"), cache_folder()
    bound = install / "agents" / "split_inference" / "bound.py"
    text = bound.read_text()
    bound.write_text(text.replace("cost_s, describe(place)) for", "9 * cost_s, describe(place)) for"))
    assert bound.read_text() != text
    for name in TWO_FILES:  # so that the sources of compiled code are those of this installation
        (install / "emulator" / name).unlink()
    assert folder is not None
    done = start(
        *COMMAND, "run", install / "topologies" / "quickstart.yaml", "--quiet", "--no-figures", "--set", "duration_s=1",
        "--set", "policies=[{type: all-edge}]", *ALL_EDGE, "--out", place / "runs",
        PYTHONPATH=str(install), NUMBA_CACHE_DIR=str(folder.parent),
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (5, 1)
    assert "cost at least the bound: all-edge" in done.stderr
    (run,) = (place / "runs" / "quickstart").iterdir()
    assert "INVALID" in (run / "report.html").read_text()


def test_field_warm_up_without_a_folder_names_the_remedy() -> None:
    done = start(sys.executable, "-m", "airsplit.warm_up", cwd=ROOT, NUMBA_CACHE_DIR="/dev/null/cache")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (4, "", 1)
    assert "set NUMBA_CACHE_DIR to a folder that can be written" in done.stderr


@pytest.mark.parametrize(
    "variables",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C.UTF-8"},
        {"PYTHONIOENCODING": "latin-1:strict"},
    ],
    ids=str,
)
def test_field_ascii_streams_and_names_beyond_them(tmp_path: Path, variables: dict[str, str]) -> None:
    """Every letter is printed, or as an escape; a name that the locale cannot spell is one line with the remedy."""
    (tmp_path / "rate.txt").write_text("0 5\n1 6\n2 7\n")
    imported = (*COMMAND, "trace", "import", tmp_path / "rate.txt", "--format", "rate", "--out")
    for name in (os.fsencode("größe.parquet"), os.fsencode("東京.parquet"), b"\xff\xfe.parquet"):
        out = tmp_path / os.fsdecode(name)
        done = start(*imported, out, cwd=ROOT, **variables)
        if done.returncode:  # in an ASCII locale, or for bytes that are no text
            assert variables.get("PYTHONUTF8") == "0" or name[0] == 0xFF
            assert (done.stdout, done.stderr.count("\n")) == ("", 1)
            assert done.returncode == (4 if "PYTHONUTF8" in variables else 3)
            assert "PYTHONUTF8=1" in done.stderr or "must be UTF-8: rename it" in done.stderr
        else:
            assert (out.is_file(), done.stderr) == (True, "")
    done = start(*COMMAND, "trace", "info", tmp_path / "fehlt-ß.parquet", cwd=ROOT, **variables)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert done.stderr.endswith("No such file or directory\n")


def test_field_name_that_the_locale_lacks_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    text = (ROOT / "topologies" / "campus-replay.yaml").read_text()
    text = text.replace("trace: {format: rate", "trace: {file: größe, format: rate")
    assert "größe" in text
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    plain = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = start(*COMMAND, "run", tmp_path / "s.yaml", "--out", tmp_path / "runs", cwd=ROOT, **plain)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (4, "", 1)
    assert "gr\\xf6\\xdfe" in done.stderr
    assert "PYTHONUTF8=1" in done.stderr


def test_field_working_folder_that_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = start("sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", *COMMAND, "--version", cwd=gone, PYTHONPATH=str(ROOT))
    assert (done.returncode, done.stderr) == (0, "")


def test_field_source_tree_that_is_not_installed(tmp_path: Path) -> None:
    """The packages' requirements alone are installed: version and requirements are those of the tree's own file."""
    code = "from importlib import metadata\n"
    code += "def missing(name): raise metadata.PackageNotFoundError(name)\n"
    code += "metadata.version = metadata.requires = missing\n"
    code += "from emulator.core.sources import own_requirements, own_version\n"
    code += "print(own_version(), *own_requirements())"
    done = start(sys.executable, "-c", code, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0.")
    assert " numba>=" in done.stdout
    assert "hypothesis" not in done.stdout


def lab(folder: Path, kind: str) -> Path:
    """Write a lab's own packages with the names of ours: regular packages, modules, or folders of data."""
    for name in set(PACKAGES) - {"airsplit"}:
        if kind == "module":
            folder.mkdir(exist_ok=True)
            (folder / f"{name}.py").write_text("print('of the lab')\n")
            continue
        (folder / name).mkdir(parents=True)
        for file in ("__init__.py", "ppo.py", "worker.py", "policy.py") if kind == "package" else ("data.csv",):
            (folder / name / file).write_text("print('of the lab')\n")
    return folder


@pytest.mark.parametrize("kind", ["package", "module", "folder"])
@pytest.mark.parametrize("by", ["PYTHONPATH", "working folder"])
def test_field_packages_of_a_lab_do_not_hide_ours(tmp_path: Path, kind: str, by: str) -> None:
    here = lab(tmp_path / "lab", kind)
    trace = tmp_path / "t.parquet"
    constant(1e6).save(trace)
    program = "import sys; from airsplit.cli import main; main()"  # as the installed program starts
    where = {"PYTHONPATH": str(here)} if by == "PYTHONPATH" else {}
    code = f"import sys; sys.path.append({str(ROOT)!r}); " + program.removeprefix("import sys; ")
    done = start(
        sys.executable, *(["-P"] if by == "working folder" else []), "-c", code, "trace", "info", trace,
        cwd="/" if where else here, **where,
    )  # fmt: skip
    assert (done.returncode, "of the lab" in done.stdout) == (0, False), done.stderr
    hidden = {str(here / (f"{name}.py" if kind == "module" else f"{name}/__init__.py")) for name in PACKAGES}
    said = {line.partition(": not imported")[0] for line in done.stderr.splitlines()}
    assert said <= hidden
    if by == "PYTHONPATH":
        assert len(said) == (0 if kind == "folder" else 5)


@pytest.mark.parametrize("kind", ["package", "module", "folder"])
def test_field_processes_that_we_start_run_our_modules(tmp_path: Path, kind: str) -> None:
    here = lab(tmp_path / "lab", kind)
    for module in ("hil.worker", "hil.mqtt.embedded", "hil.station"):
        done = start(*own_process(module, "--help"), cwd=here, PYTHONPATH=str(here))
        assert (done.returncode, "of the lab" in done.stdout, done.stderr) == (0, False, "")


def test_field_package_of_a_lab_that_was_imported_before_is_named(tmp_path: Path) -> None:
    here = lab(tmp_path / "lab", "package")
    code = f"import sys, results; sys.path.append({str(ROOT)!r}); import airsplit"
    done = start(sys.executable, "-c", code, PYTHONPATH=str(here))
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: package results of {ROOT}: {here / 'results' / '__init__.py'} was imported")


def test_field_policy_of_a_lab_in_a_package_of_our_name_is_one_line(tmp_path: Path) -> None:
    here = lab(tmp_path / "lab", "package")
    arguments = ("run", ROOT / "topologies" / "quickstart.yaml", "--out", tmp_path / "runs", "--quiet")
    chosen = ("--set", "policies=[{type: all-edge}, {type: 'agents.worker:Policy'}]")
    code = f"import sys; sys.path.append({str(ROOT)!r}); from airsplit.cli import main; main()"
    done = start(sys.executable, "-c", code, *arguments, *chosen, *ALL_EDGE, PYTHONPATH=str(here))
    assert (done.returncode, done.stdout) == (3, "")
    assert "agents is a package of airsplit: rename yours" in done.stderr.splitlines()[-1]
