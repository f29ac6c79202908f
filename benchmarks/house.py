"""`make house`: measure the structure of the source tree and compare it with limits; exit code 1 if one is exceeded.

Everything but the last two measures is read from the source text. An import counts if it runs when its module is
loaded; importing `a.b.c` loads the packages `a` and `a.b` too. The last two measures run one task
(`benchmarks.entered_files`).
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LAYERS = (("emulator",), ("topologies",), ("agents", "hil", "results"), ("airsplit",))  # each may import earlier ones
PACKAGES = tuple(package for layer in LAYERS for package in layer)
CORE = (  # time, trace, link, cell and simulation
    "emulator/core/units.py",
    "emulator/core/fifo.py",
    "emulator/core/event_heap.py",
    "emulator/trace/__init__.py",
    "emulator/trace/rules.py",
    "emulator/trace/writer.py",
    "emulator/link/*.py",
    "emulator/cell/*.py",
    "emulator/simulation/*.py",
    "emulator/device.py",
    "emulator/legs.py",
)

Graph = Mapping[str, set[str]]


class Finding(NamedTuple):
    """A measured number, and a line about each thing that was counted, where that helps."""

    value: int
    details: Sequence[str] = ()


class Limit(NamedTuple):
    """What is measured, and its greatest allowed value: an error beyond it, or only a target if not `enforced`."""

    name: str
    most: int
    measure: Callable[["Tree"], Finding | None]
    enforced: bool = True


class Tree:
    """The modules of the project below `root`, parsed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        paths = [path for package in PACKAGES for path in (root / package).rglob("*.py")]
        paths += [path for package in PACKAGES if (path := root / f"{package}.py").exists()]
        self.paths = {self.module_of(path): path for path in sorted(paths)}
        self.syntax = {name: ast.parse(path.read_text(), str(path)) for name, path in self.paths.items()}
        self.imports: Graph = {
            name: set(self.imported(name, statements_at_import(tree))) for name, tree in self.syntax.items()
        }

    def module_of(self, path: Path) -> str:
        """Return the name by which a file is imported; a package's is that of its `__init__.py`."""
        parts = path.relative_to(self.root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def folder_of(self, name: str) -> Path:
        """Return the folder of a module's file."""
        return self.paths[name].parent.relative_to(self.root)

    def imported(self, name: str, nodes: Iterable[ast.AST]) -> Iterator[str]:
        """Yield the project's modules that import statements of module `name` load by name."""
        for node in nodes:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in self.paths)
            elif isinstance(node, ast.ImportFrom):
                source = self.source_of(name, node)
                for alias in node.names:
                    if (submodule := f"{source}.{alias.name}") in self.paths:
                        yield submodule
                    elif source in self.paths:
                        yield source

    def source_of(self, name: str, node: ast.ImportFrom) -> str:
        """Return the absolute name of the module in `from MODULE import ...`."""
        if not node.level:
            return node.module or ""
        parts = [*name.split("."), *([""] if self.paths[name].name == "__init__.py" else [])][: -node.level]
        return ".".join([*parts, *([node.module] if node.module else [])])


def statements_at_import(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements that run when a module is loaded: none in functions, none for type checkers only."""
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            pending += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]


def core_lines(tree: Tree) -> Finding:
    """Count the lines of the files that a reader of the simulation's core goes through."""
    lines = {
        str(path.relative_to(tree.root)): len(path.read_text().splitlines())
        for pattern in CORE
        for path in sorted(tree.root.glob(pattern))
    }
    return Finding(sum(lines.values()), [f"{path}: {count}" for path, count in lines.items()])


def duplicate_classes(tree: Tree) -> Finding:
    """Count the class names that are defined more than once."""
    modules: dict[str, list[str]] = defaultdict(list)
    for name, syntax in tree.syntax.items():
        for node in ast.walk(syntax):
            if isinstance(node, ast.ClassDef):
                modules[node.name].append(name)
    repeated = [f"{name}: {', '.join(where)}" for name, where in sorted(modules.items()) if len(where) > 1]
    return Finding(len(repeated), repeated)


def largest_folder(tree: Tree) -> Finding:
    """Count the modules of the folder that has most, `__init__.py` apart."""
    counts = {folder: sum(not is_package(tree, name) for name in names) for folder, names in folders(tree).items()}
    largest = max(counts, key=lambda folder: counts[folder])
    return Finding(counts[largest], [str(largest)])


def longest_chain(tree: Tree) -> Finding:
    """Count the modules of the longest chain of imports among the modules of one folder, its subfolders apart."""
    chains = [chain(tree.imports, name, frozenset(names)) for names in folders(tree).values() for name in names]
    longest = max(chains, key=len)
    return Finding(len(longest), [" -> ".join(longest)])


def chain(imports: Graph, name: str, among: frozenset[str]) -> list[str]:
    """Return the longest chain of imports that begins with a module and visits none twice."""
    following = [chain(imports, other, among - {name}) for other in sorted(imports[name] & among - {name})]
    return [name, *max(following, key=len, default=[])]


def circles(tree: Tree) -> Finding:
    """Count the circles of imports, modules that share one taken together."""
    graph = {name: tree.imports[name] | set(loaded_packages(tree, name)) for name in tree.paths}
    reach = {name: reachable(graph, name) for name in graph}
    groups = {tuple(sorted({name} | {other for other in reach[name] if name in reach[other]})) for name in graph}
    found = [" <-> ".join(group) for group in sorted(groups) if len(group) > 1 or group[0] in graph[group[0]]]
    return Finding(len(found), found)


def loaded_packages(tree: Tree, name: str) -> Iterator[str]:
    """Yield the packages whose `__init__.py` runs because a module imports something inside; its own do already."""
    for imported in tree.imports[name]:
        for package in parents(imported):
            if package in tree.paths and package not in (name, *parents(name)):
                yield package


def parents(name: str) -> list[str]:
    """Return the packages that a module lies in, the outermost first."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def reachable(graph: Graph, start: str) -> set[str]:
    """Return all nodes at the end of a path from a node."""
    found: set[str] = set()
    pending = [start]
    while pending:
        new = graph[pending.pop()] - found
        found |= new
        pending += new
    return found


def upward_imports(tree: Tree) -> Finding:
    """Count the imports, in functions too, from a top-level package into one that is not in a layer below its own."""
    layer_of = {package: index for index, layer in enumerate(LAYERS) for package in layer}
    found = []
    for name, syntax in tree.syntax.items():
        package = name.split(".")[0]
        for imported in sorted(set(tree.imported(name, ast.walk(syntax)))):
            other = imported.split(".")[0]
            if other != package and layer_of[other] >= layer_of[package]:
                found.append(f"{name} imports {imported}")
    return Finding(len(found), found)


def folders(tree: Tree) -> dict[Path, list[str]]:
    """Return the modules of each folder."""
    found: dict[Path, list[str]] = defaultdict(list)
    for name in tree.paths:
        found[tree.folder_of(name)].append(name)
    return found


def is_package(tree: Tree, name: str) -> bool:
    """Return whether a module is the `__init__.py` of a package."""
    return tree.paths[name].name == "__init__.py"


def files_of_a_task(engine: str) -> Callable[[Tree], Finding | None]:
    """Return a measure: the files that one task runs through in an engine, None if `make bench` does not know it."""

    def measure(tree: Tree) -> Finding | None:
        from benchmarks.entered_files import entered_files
        from benchmarks.tasks import ENGINES

        if engine not in ENGINES:
            return None
        files = sorted(entered_files(ENGINES[engine], tree.root))
        return Finding(len(files), files)

    return measure


LIMITS = (
    Limit("lines of time, trace, link, cell and simulation", 3_000, core_lines, enforced=False),
    Limit("class names defined more than once", 0, duplicate_classes),
    Limit("modules in the largest folder", 20, largest_folder),
    Limit("modules in the longest chain of imports in a folder", 7, longest_chain),
    Limit("circles of imports", 0, circles),
    Limit("imports upwards or sideways between packages", 0, upward_imports),
    Limit("files that a task runs through, SimPy engine", 8, files_of_a_task("SimPy engine"), enforced=False),
    Limit("files that a task runs through, compiled engine", 10, files_of_a_task("compiled engine"), enforced=False),
)


def main(tree: Tree, limits: Sequence[Limit] = LIMITS) -> int:
    """Print a table, then the details of what is exceeded. Return the exit code: 1 if an enforced limit is exceeded."""
    exceeded: list[tuple[Limit, Finding]] = []
    for limit in limits:
        finding = limit.measure(tree)
        if finding is None:
            print(f"{limit.name:<52}      -  at most {limit.most:>5,}  nothing to measure yet")
            continue
        if finding.value > limit.most:
            exceeded.append((limit, finding))
        state = "ok" if finding.value <= limit.most else "EXCEEDED" if limit.enforced else "target, not reached"
        print(f"{limit.name:<52} {finding.value:>6,}  at most {limit.most:>5,}  {state}", flush=True)
    for limit, finding in exceeded:
        print(f"\n{limit.name}:", *finding.details, sep="\n  ")
    return int(any(limit.enforced for limit, _ in exceeded))


if __name__ == "__main__":
    sys.exit(main(Tree(ROOT)))
