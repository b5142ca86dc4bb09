"""The import table of docs/design.md, enforced."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "plumbline"
MAY_IMPORT: dict[str, set[str]] = {
    "data": set(),
    "models": set(),
    "optim": set(),
    "recipes": set(),
    "records": {"recipes"},
    "evaluation": {"data"},
    "analysis": {"records", "recipes"},
    "report": {"analysis", "recipes", "records"},
    "training": {"evaluation", "data", "models", "optim", "recipes", "records"},
    "trials": {"analysis", "recipes", "records"},
    "benchmarks": {"analysis", "data", "models", "recipes", "records", "training", "trials"},
    "inference": {"analysis", "evaluation", "models", "data", "records", "recipes"},
    "export": {"inference", "evaluation", "models", "data", "records", "recipes"},
    "serve": {"inference", "evaluation", "models", "data", "records", "recipes"},
}
MAY_IMPORT["cli"] = set(MAY_IMPORT)  # everything
LEAVES = {"durable", "errors", "streams", "progress", "engine", "tensor_files"}
FRONT_DOORS = {"__init__", "__main__"}
TORCH = {"torch", "torchvision", "torchmetrics", "lightning", "pytorch_lightning"}
LIGHTNING = {"lightning", "pytorch_lightning"}
BANNED: dict[str, set[str]] = {
    "recipes": TORCH,
    "records": TORCH,
    "analysis": TORCH,
    "report": TORCH,
    "trials": TORCH,
    "evaluation": LIGHTNING,
    "inference": LIGHTNING,
    "export": LIGHTNING,
    "serve": LIGHTNING,
}
TRAINER_HOMES = {"training", "cli"}

FILES = sorted(PACKAGE.rglob("*.py"))
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def room(path: Path) -> str:
    """Name the room a file is in, or the file itself where it lies beside the rooms."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports: anywhere in it, for types only, and by name at run time."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(names=names):
                source = absolute_source(node, path=path)
                yield from (longest_module(f"{source}.{alias.name}", source=source) for alias in names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str() as name), *_],
            ):
                yield name


def absolute_source(node: ast.ImportFrom, *, path: Path) -> str:
    if not node.level:
        return node.module or ""
    package = path.relative_to(PACKAGE.parent).parent.parts
    kept = package[: len(package) - node.level + 1]
    return ".".join([*kept, node.module] if node.module else kept)


def longest_module(name: str, *, source: str) -> str:
    """`from a import b` imports the module a.b where there is one, and a otherwise."""
    return name if name in MODULES else source


def rooms_imported(path: Path) -> set[str]:
    inside = (name.split(".") for name in imported(path))
    return {parts[1] if len(parts) > 1 else "__init__" for parts in inside if parts[0] == "plumbline"}


def test_the_table_has_no_loop() -> None:
    """Rooms can be put in an order in which each imports only those before it."""
    assert list(TopologicalSorter(MAY_IMPORT).static_order())


def test_the_modules_have_no_loop() -> None:
    """No two files import each other, on whatever way round, inside functions and for types included."""
    graph = {name: {other for other in imported(path) if other in MODULES} for name, path in MODULES.items()}
    assert list(TopologicalSorter(graph).static_order())


@each_file
def test_a_file_imports_what_its_room_may(path: Path) -> None:
    """A room imports itself, the leaves, and the rooms that the table gives it."""
    here = room(path)
    if here in FRONT_DOORS:
        return
    allowed = LEAVES if here in LEAVES else {here} | LEAVES | MAY_IMPORT.get(here, set())
    assert rooms_imported(path) <= allowed


def test_every_file_has_a_known_place() -> None:
    """Only the leaves and the front doors lie beside the rooms, and every room is in the table."""
    beside = {path.stem for path in PACKAGE.glob("*.py")}
    assert beside <= LEAVES | FRONT_DOORS
    assert {room(path) for path in FILES} - beside <= set(MAY_IMPORT)


@pytest.mark.parametrize("here", BANNED)
def test_a_room_stays_free_of_what_it_must_not_know(here: str) -> None:
    """Recipes, records, analysis and report never name torch, nor does evaluation name Lightning."""
    found = {
        f"{path.name}: {name}"
        for path in FILES
        if room(path) == here
        for name in imported(path)
        if name.split(".")[0] in BANNED[here]
    }
    assert not found


@each_file
def test_the_trainer_lives_in_training(path: Path) -> None:
    """No other room but the command line names Lightning's Trainer."""
    if room(path) in TRAINER_HOMES:
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not (isinstance(node, ast.Attribute | ast.Name) and named(node) == "Trainer"), node.lineno


def named(node: ast.Attribute | ast.Name) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id


def test_no_drawer_for_odds_and_ends() -> None:
    """Nothing is called utils, common, misc, helpers or core."""
    odds = {"utils", "util", "common", "misc", "helpers", "helper", "core"}
    assert not {part for name in MODULES for part in name.split(".")} & odds


@pytest.mark.parametrize("module", ["plumbline", "plumbline.cli", "plumbline.recipes", "plumbline.records"])
def test_a_light_module_loads_without_torch(module: str) -> None:
    """Importing the front door, the command line, recipes or records loads no torch and no Lightning."""
    code = f"import sys, {module}; print(*sorted(sys.modules.keys() & {TORCH!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
