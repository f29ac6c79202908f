"""A worker's imports: few, valid in Python 3.10, and without unpickling."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = {"pandas", "matplotlib", "simpy", "numba", "pydantic", "typer", "torch", "transformers", "pyarrow", "gymnasium"}
NEWER_THAN_3_10 = {
    *(
        "tomllib",
        "Self",
        "Never",
        "LiteralString",
        "assert_never",
        "assert_type",
        "reveal_type",
        "Unpack",
        "TypeVarTuple",
    ),
    *("Required", "NotRequired", "StrEnum", "ReprEnum", "verify", "UTC", "TaskGroup", "Runner", "timeout", "override"),
    *("ExceptionGroup", "BaseExceptionGroup", "file_digest", "chdir", "itertools.batched", "batched"),
}
EVERYTHING = (
    "hil.worker",
    "hil.runtime",
    "topologies.models.language.llama",
    "topologies.models.registry",
    *(f"topologies.models.vision.{name}" for name in ("alexnet", "efficientnet", "googlenet", "nin", "resnet", "vgg")),
)


def modules_after(*imports: str) -> set[str]:
    code = f"import {', '.join(imports)}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def sources(modules: set[str]) -> dict[str, ast.Module]:
    """Return the syntax trees of this project's modules, parsed as Python 3.10."""
    trees = {}
    for module in modules:
        for path in (ROOT / f"{module.replace('.', '/')}.py", ROOT / module.replace(".", "/") / "__init__.py"):
            if path.is_file() and module.partition(".")[0] in {"emulator", "hil", "topologies"}:
                trees[module] = ast.parse(path.read_text(), feature_version=(3, 10))
    return trees


def test_importing_the_worker_is_light() -> None:
    tops = {module.partition(".")[0] for module in modules_after("hil.worker")}
    assert {"hil", "paho", "numpy"} <= tops
    assert not tops & HEAVY


def test_modules_of_a_worker_are_python_3_10() -> None:
    trees = sources(modules_after(*EVERYTHING))
    assert {"hil.worker", "hil.codec", "hil.runtime", "topologies.models.language.llama"} <= trees.keys()
    assert not {"emulator.record", "emulator.simulation"} & trees.keys()
    for module, tree in trees.items():
        for node in ast.walk(tree):
            match node:
                case ast.ImportFrom(module=source, names=names):
                    used = {str(source), *(name.name for name in names)}
                case ast.Import(names=names):
                    used = {name.name for name in names}
                case ast.Attribute(attr=name):
                    used = {name}
                case ast.Name(id=name):
                    used = {name}
                case _:
                    used = set()
            assert not used & NEWER_THAN_3_10, f"{module}: {used & NEWER_THAN_3_10}"


def test_nothing_unpickles() -> None:
    for path in [*(ROOT / "hil").rglob("*.py"), *(ROOT / "topologies" / "models").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = set()
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {getattr(node, "module", ""), *(name.name for name in node.names)}
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            assert not names & {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"}, path
            # Only where the digest of the file is known is there a torch.load, and only of tensors.
            tensors_only = path.name == "efficientnet_weights.py" and "weights_only=True" in ast.unparse(node)
            assert called not in {"np.load", "eval", "exec"}, path
            assert called != "torch.load" or tensors_only, path
            assert "allow_pickle" not in ast.dump(node), path
