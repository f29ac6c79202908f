"""Documentation and docstrings have no dead link: to pages, anchors, files, names, targets of make, Python modules."""

import ast
import io
import json
import re
import shlex
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from typer.main import get_command

from airsplit.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
]
PACKAGES = ("emulator", "topologies", "agents", "hil", "results", "airsplit", "benchmarks", "tests")
FOLDERS = (*PACKAGES, "docs")

FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"[\w./*-]+")
DOTTED = re.compile(r"[a-z_]\w*(\.\w+)+")
MEMBER = re.compile(r"([A-Z]\w*[a-z]\w*)\.([a-z_]\w*)(\(.*\))?")
MODULE_COMMAND = re.compile(r"python3? -m ([\w.]+)")
MAKE_COMMAND = re.compile(r"\bmake ([a-z][a-z-]*)(?=[`\n ]*[`\n#]| +[A-Z]+=)")


@cache
def sources(root: Path) -> dict[str, ast.Module]:
    """Return the syntax of the project's modules by the names that import them."""
    found = {}
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] in PACKAGES:
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text())
    return found


@cache
def members(root: Path) -> dict[str, set[str]]:
    """Return what each class of the project defines: methods, annotated names, and attributes assigned to self."""
    found: dict[str, set[str]] = {}
    for tree in sources(root).values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(defined(node.body))
                found[node.name] |= {
                    each.attr
                    for each in ast.walk(node)
                    if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store)
                }
    return found


def defined(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the names that statements define or import."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))


@cache
def settings(root: Path) -> set[str]:
    """Return the names of all settings of scenarios."""
    schema = json.loads((root / "topologies" / "scenario.schema.json").read_text())
    return {name for section in schema["$defs"].values() for name in section.get("properties", ())}


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.*?)\s*$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead(page: Path, root: Path) -> list[str]:
    """Return the links, file names, code names and commands of a page that lead nowhere."""
    text = page.read_text()
    prose = FENCED.sub("", text)
    found = [target for target in LINK.findall(prose) if not is_reached(target, page)]
    found += [token for token in CODE.findall(prose) if is_dead(token, root)]
    found += [f"python -m {name}" for name in MODULE_COMMAND.findall(text) if is_missing_module(name, root)]
    targets = set(re.findall(r"^([\w-]+):", (root / "Makefile").read_text(), re.MULTILINE))
    return found + [f"make {name}" for name in MAKE_COMMAND.findall(text) if name not in targets]


def is_dead(token: str, root: Path) -> bool:
    """Return whether a token of code has the form of a path, a dotted name or a class's member, and does not exist."""
    if DOTTED.fullmatch(token) and token.split(".", maxsplit=1)[0] in PACKAGES:
        return not is_name(token, root)
    if member := MEMBER.fullmatch(token):
        return member[2] not in members(root).get(member[1], ())
    return PATH.fullmatch(token) is not None and not is_path(token, root)


def is_reached(target: str, page: Path) -> bool:
    """Return whether the target of a link exists, its anchor too; addresses of other sites count as reached."""
    if re.match(r"[a-z]+:", target):
        return True
    name, _, anchor = target.partition("#")
    path = page.parent / name if name else page
    return path.exists() and (not anchor or anchor in anchors(path.read_text()))


def is_path(token: str, root: Path) -> bool:
    """Return whether a token is no path in the project, or one that exists; `link/tables.py` may stand for a file in
    a folder further down. Topics of the broker begin with `airsplit/`, too, and name no file."""
    if token.endswith(".py"):
        return any(root.glob(token)) or any(any((root / folder).glob(f"**/{token}")) for folder in FOLDERS)
    first, slash, _ = token.partition("/")
    return not slash or first not in FOLDERS or first == "airsplit" or any(root.glob(token.rstrip("/")))


def is_name(token: str, root: Path) -> bool:
    """Return whether a dotted name is a module, or what one defines, or a setting of a scenario's section `hil`."""
    parts = token.split(".")
    if parts[-1] in ("py", "md", "yaml", "json"):
        return True
    for count in range(len(parts), 0, -1):
        tree = sources(root).get(".".join(parts[:count]))
        if tree is not None:
            rest = parts[count:]
            if not rest or (rest[0] in defined(tree.body) and (len(rest) == 1 or rest[1] in members(root)[rest[0]])):
                return True
            break
    return parts[0] == "hil" and parts[-1] in settings(root)


def is_missing_module(name: str, root: Path) -> bool:
    """Return whether a module that is to be run is one of the project's and does not exist."""
    return name.split(".", maxsplit=1)[0] in PACKAGES and name not in sources(root)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_or_name_is_dead(page: Path) -> None:
    assert dead(page, ROOT) == []


def prose_of(source: str) -> Iterator[str]:
    """Yield the docstrings and comments of a module's source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_and_comments_name_what_exists(package: str) -> None:
    named = (
        (path.relative_to(ROOT), token)
        for path in sorted((ROOT / package).rglob("*.py"))
        for text in prose_of(path.read_text())
        for token in CODE.findall(text)
    )
    assert [f"{path}: {token}" for path, token in named if is_dead(token, ROOT)] == []


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the commands of airsplit in a page's blocks, as words, but not those with an option in brackets."""
    text = page.read_text()
    for block in [*FENCED.findall(text), *re.findall(r"^    .*(?:\n    .*)*", text, re.MULTILINE)]:
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            found = re.match(r"\s*(?:sudo )?(?:\S+=\S+ )?(?:\.venv/bin/)?airsplit ((?:\S+ {1,2})*\S+)", line)
            if found and not re.search(r" \[|…", found[0]):
                yield shlex.split(found[1], comments=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_documented_commands_can_be_parsed(page: Path) -> None:
    """Names of commands and options, and the number of arguments, are those of the program."""
    for words in commands(page):
        command, rest = get_command(app), words
        while hasattr(command, "resolve_command"):
            with command.make_context("airsplit", list(rest)) as context:
                _, command, rest = command.resolve_command(context, context._protected_args + context.args)
        with command.make_context("airsplit", list(rest)):
            pass


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "hil" / "mqtt").mkdir(parents=True)
    (tmp_path / "hil" / "mqtt" / "broker.py").write_text("class Broker:\n    def serve(self): self.port = 1\nPORT = 1")
    (tmp_path / "topologies").mkdir()
    schema: dict[str, object] = {"$defs": {"Hil": {"properties": {"duration_s": {}}}}}
    (tmp_path / "topologies" / "scenario.schema.json").write_text(json.dumps(schema))
    (tmp_path / "Makefile").write_text("test: lint\nlint:\n")
    (tmp_path / "other.md").write_text("# Two words\n")
    return tmp_path


@pytest.mark.parametrize(
    "sound",
    [
        "[other](other.md#two-words)",
        "[here](#a-page)",
        "[away](https://example.org/nothing)",
        "`hil/mqtt/broker.py` and `mqtt/broker.py` and `broker.py` and `hil/mqtt/`",
        "`hil.mqtt.broker` and `hil.mqtt.broker.PORT` and `hil.mqtt.broker.Broker.serve`",
        "`Broker.port` and `Broker.serve()`",
        "`hil.duration_s`",
        "`python -m hil.mqtt.broker` and `python -m venv`",
        "`make test` and `make lint # fast`; to make sense of it",
    ],
)
def test_what_exists_is_not_dead(project: Path, sound: str) -> None:
    (project / "page.md").write_text(f"# A page\n\n{sound}\n")
    assert dead(project / "page.md", project) == []


@pytest.mark.parametrize(
    "broken",
    [
        "[other](others.md)",
        "[other](other.md#three-words)",
        "`hil/broker.py`",
        "`relay.py`",
        "`hil/stations/`",
        "`hil.broker`",
        "`hil.mqtt.broker.HOST`",
        "`hil.mqtt.broker.Broker.listen`",
        "`Broker.listen`",
        "`Brokers.serve`",
        "`python -m hil.broker`",
        "`make tests`",
    ],
)
def test_what_does_not_exist_is_dead(project: Path, broken: str) -> None:
    (project / "page.md").write_text(f"# A page\n\n{broken}\n")
    assert len(dead(project / "page.md", project)) == 1
