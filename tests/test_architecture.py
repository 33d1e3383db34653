"""The shape of the code: who may import whom, sizes, docstrings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = ("datasets", "losses", "models", "experiments")
FILES = sorted(path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.py"))
NAMES = [path.relative_to(REPOSITORY).as_posix() for path in FILES]
# what a folder may import of the others
ALLOWED = {
    "datasets": set(),
    "losses": {"datasets.base"},
    "models": {"losses", "datasets.base"},
    "experiments": {"datasets", "losses", "models"},
}
MAX_FILE_LINES, MAX_FUNCTION_LINES = 450, 60

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name, from the root, of every module that a file imports relatively."""
    package = path.relative_to(REPOSITORY).parent.parts
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            dotted = ".".join(part for part in base if part)
            inside = (REPOSITORY / dotted.replace(".", "/")).is_dir()
            for alias in node.names:
                yield node.lineno, f"{dotted}.{alias.name}" if inside else dotted


def allowed(folder: str, module: str) -> bool:
    return any(module.startswith(f"{one}.") for one in (folder, *ALLOWED[folder]))


def test_the_walk_sees_the_imports() -> None:
    """Otherwise every test here would pass on nothing."""
    found = {name for _, name in imported_modules(REPOSITORY / "experiments/commands/train.py")}
    assert {"experiments.recipe_list", "experiments.engine", "losses.terms"} <= found
    found = {name for _, name in imported_modules(REPOSITORY / "experiments/recipes/unet_vcip.py")}
    assert found >= {"datasets.vcip", "models.unet", "experiments.experiment"}
    assert len(FILES) > 50


@pytest.mark.parametrize(
    ("folder", "module", "verdict"),
    [
        ("datasets", "datasets.base.color", True),
        ("datasets", "losses.pixel", False),
        ("losses", "datasets.base.color", True),
        ("losses", "datasets.files.folder", False),
        ("models", "losses.pixel", True),
        ("models", "datasets.loading.loader", False),
        ("models", "experiments.engine", False),
        ("experiments", "models.unet", True),
    ],
)
def test_the_rule_of_imports(folder: str, module: str, verdict: bool) -> None:
    assert allowed(folder, module) == verdict


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_point_one_way(path: Path) -> None:
    folder = path.relative_to(REPOSITORY).parts[0]
    backward = [
        f"{path}:{line}: {module}"
        for line, module in imported_modules(path)
        if not allowed(folder, module)
    ]
    assert backward == []


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_own_modules_are_imported_relatively(path: Path) -> None:
    ours = {*FOLDERS, "crosschroma", "tests"}
    absolute = [
        f"{path}:{node.lineno}: {name}"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0)
        for name in (
            [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
        )
        if name and name.split(".")[0] in ours
    ]
    assert absolute == []


def test_no_folder_is_a_package_of_its_own() -> None:
    """A top-level package ``datasets`` would take Hugging Face's place."""
    folders = (*FOLDERS, "tests")
    assert [p for folder in folders for p in (REPOSITORY / folder).rglob("__init__.py")] == []


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_files_and_functions_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_FILE_LINES
    long = [
        f"{path}:{node.lineno}: {node.name} has {lines} lines"
        for node in ast.walk(parsed(path))
        if isinstance(node, Function)
        and (lines := node.end_lineno - node.lineno + 1) > MAX_FUNCTION_LINES  # pyright: ignore
    ]
    assert long == []


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_what_is_public_says_what_it_is(path: Path) -> None:
    module = parsed(path)
    assert ast.get_docstring(module), f"{path} has no docstring"
    silent = [
        f"{path}:{node.lineno}: {node.name}"
        for node in module.body
        if isinstance(node, Function | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert silent == []
