"""The structure of the source tree is within the limits of `make house`, and what breaks a limit is found."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.entered_files import compiled_functions, entered_files
from benchmarks.house import (
    LIMITS,
    ROOT,
    Finding,
    Limit,
    Tree,
    circles,
    core_lines,
    duplicate_classes,
    largest_folder,
    longest_chain,
    main,
    upward_imports,
)
from benchmarks.tasks import compiled_engine, simpy_peer


def planted(root: Path, **files: str) -> Tree:
    """Write modules, `emulator__link__tables` as `emulator/link/tables.py`; every folder is a package."""
    for name, text in files.items():
        path = root.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for folder in {path.parent for path in root.rglob("*.py")} - {root}:
        (folder / "__init__.py").touch()
    return Tree(root)


def test_the_tree_is_within_the_limits(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(Tree(ROOT))
    assert code == 0, capsys.readouterr().out


def test_a_circle_is_found_through_folders_and_relative_imports(tmp_path: Path) -> None:
    tree = planted(
        tmp_path,
        emulator__a="from emulator.link import tables",
        emulator__link__tables="from ..b import name",
        emulator__b="if True:\n    import emulator.a\nname = 1",
        emulator__c="from emulator.a import tables",
    )
    assert circles(tree) == Finding(1, ["emulator.a <-> emulator.b <-> emulator.link.tables"])


def test_imports_that_do_not_run_at_once_make_no_circle(tmp_path: Path) -> None:
    tree = planted(
        tmp_path,
        emulator__a="import emulator.b",
        emulator__b="def late():\n    import emulator.a\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import emulator.a",
    )
    assert circles(tree).value == 0


def test_a_circle_by_way_of_a_package_is_found(tmp_path: Path) -> None:
    """`cell.slots` imports a module of `link`, so that `link/__init__.py` runs, which imports `cell.slots`."""
    tree = planted(tmp_path, emulator__cell__slots="import emulator.link.tables", emulator__link__tables="")
    assert circles(tree).value == 0
    (tmp_path / "emulator" / "link" / "__init__.py").write_text("import emulator.cell.slots")
    assert circles(Tree(tmp_path)).details == ["emulator.cell.slots <-> emulator.link"]


def test_a_class_name_in_two_modules_is_found(tmp_path: Path) -> None:
    tree = planted(
        tmp_path, emulator__a="class Plan: ...", hil__b="def f():\n    class Plan: ...", hil__c="class Other: ..."
    )
    assert duplicate_classes(tree) == Finding(1, ["Plan: emulator.a, hil.b"])


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("emulator__a", "import topologies.a"),
        ("emulator__a", "def late():\n    from results import a"),
        ("agents__b", "from hil.a import name"),
        ("results__b", "import hil.a"),
        ("hil__b", "import agents.a"),
        ("topologies__b", "import airsplit"),
    ],
)
def test_an_import_upwards_or_sideways_is_found(tmp_path: Path, module: str, text: str) -> None:
    below = {f"{package}__a": "" for package in ("emulator", "topologies", "agents", "hil", "results")}
    allowed = {"hil__d": "import emulator.a\nimport topologies.a", "airsplit": "import agents.a\nimport results.a"}
    assert upward_imports(planted(tmp_path, **below, **allowed)).value == 0
    assert upward_imports(planted(tmp_path, **{module: text})).value == 1


def test_the_longest_chain_is_that_of_one_folder(tmp_path: Path) -> None:
    tree = planted(
        tmp_path,
        emulator__a="import emulator.b\nimport emulator.c",
        emulator__b="import emulator.c",
        emulator__c="import emulator.core.x",
        emulator__core__x="",
    )
    assert longest_chain(tree) == Finding(3, ["emulator.a -> emulator.b -> emulator.c"])


def test_modules_are_counted_by_folder(tmp_path: Path) -> None:
    tree = planted(tmp_path, hil__a="", hil__b="", hil__mqtt__c="", results__d="")
    assert largest_folder(tree) == Finding(2, ["hil"])


def test_lines_of_the_core_are_counted(tmp_path: Path) -> None:
    tree = planted(tmp_path, emulator__link__tables="1\n2\n", emulator__device="3\n", emulator__other="4\n")
    assert core_lines(tree).value == 3


def test_a_limit_that_is_exceeded_is_an_error_if_it_is_enforced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = planted(tmp_path, hil__a="")
    limit = Limit("modules", 0, largest_folder)
    assert main(tree, [limit]) == 1
    assert "EXCEEDED" in capsys.readouterr().out
    assert main(tree, [limit._replace(enforced=False)]) == 0
    assert main(tree, [limit._replace(most=1)]) == 0


def test_the_files_of_a_task_are_those_of_its_functions_and_of_compiled_ones() -> None:
    files = entered_files(compiled_engine, ROOT)
    assert {"emulator/link/__init__.py", "emulator/device.py", "emulator/simulation/event_loop.py"} <= files
    assert not {"emulator/system.py", "emulator/workload.py", "emulator/trace/writer.py"} & files


def test_what_runs_without_a_task_too_is_not_counted() -> None:
    assert entered_files(simpy_peer, ROOT) == {"emulator/record.py"}


def innermost() -> int:
    return 1


def middle() -> object:
    return INNERMOST.py_func()


INNERMOST = SimpleNamespace(py_func=innermost)  # a compiled function holds its Python function so
BOUND = SimpleNamespace(code=SimpleNamespace(py_func=middle))  # an object that holds a compiled function


def outermost() -> object:
    return lambda: BOUND


def test_compiled_functions_are_found_through_objects_that_hold_them_and_nested_functions() -> None:
    found = compiled_functions([(outermost.__code__, outermost.__globals__)])
    assert found == {middle.__code__, innermost.__code__}


def test_limits_have_names_that_differ() -> None:
    assert len({limit.name for limit in LIMITS}) == len(LIMITS)
