"""The shape of the code: who may import whom, sizes, docstrings."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = ("datasets", "losses", "models", "experiments")
FILES = sorted(path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.py"))
PACKAGE = REPOSITORY / "experiments" / "package"  # installed as `crosschroma`, above all folders
# copied into another program: names this one absolutely, and has the __init__.py that one asks for
PLUGIN = REPOSITORY / "experiments" / "integrations" / "comfyui"
# package, or module of experiments/, -> what it may import besides itself; every other pair fails
_DATA = {"datasets", "datasets.base", "datasets.files", "datasets.loading"}
_METHODS = {
    "models",
    "models.base",
    "models.color",
    "models.layers",
    "models.scan",
    "models.zhang16",
    "models.zhang17",
}
_METHODS |= {
    f"models.{name}" for name in ("cocolor", "colormamba", "ddcolor", "instance_aware", "nogan")
}
_ARTIFACTS = {"experiments.artifacts", "experiments.experiment", "experiments.settings"}
_OF_METHODS = {"datasets.base", "losses", "models.base", "models.layers"}
ALLOWED: dict[str, set[str]] = {
    "datasets.base": set(),
    "datasets.loading": {"datasets.base"},
    "datasets.scenes": {"datasets.base"},
    "datasets.files": {"datasets.base", "datasets.loading"},
    "datasets": {"datasets.base", "datasets.files", "datasets.loading", "datasets.scenes"},
    "datasets.mixtures": {"datasets", "datasets.base", "datasets.loading"},
    "losses.pretrained": {"datasets.base"},
    "losses": {"datasets.base", "losses.pretrained"},
    "models.scan": {"datasets.base"},
    "models.color": {"datasets.base"},
    "models.layers": {"datasets.base", "losses.pretrained"},
    "models.base": {"datasets.base", "losses", "losses.pretrained", "models.layers"},
    "models": {*_OF_METHODS, "losses.pretrained", "models.color"},
    "models.cocolor": {*_OF_METHODS, "models"},  # the U-Net that its colorizers are
    "models.colormamba": {*_OF_METHODS, "models.scan"},
    "models.ddcolor": _OF_METHODS,
    "models.zhang16": {*_OF_METHODS, "models.color"},
    "models.zhang17": {*_OF_METHODS, "models.color"},
    "models.instance_aware": {*_OF_METHODS, "models.zhang17"},
    "models.nogan": _OF_METHODS,
    "experiments.settings": {"datasets.base"},
    "experiments.process_settings": set(),
    "experiments.experiment": {"datasets.base", "datasets.loading", "models.base"}
    | {"experiments.settings"},
    "experiments.recipe_list": {"datasets.base", "experiments.experiment"},
    "experiments.recipes": {*_DATA, "datasets.mixtures", "datasets.scenes", *_METHODS}
    | {"experiments.experiment"},
    "experiments.recipes.ablations": {"datasets.mixtures", "experiments.recipes"}
    | {"experiments.experiment"},
    "experiments.artifacts": {*_ARTIFACTS, "datasets", "datasets.base", "losses.pretrained"}
    | _METHODS,
    "experiments.metrics": {"datasets.base", "losses", "losses.pretrained", "models.color"},
    "experiments.tables": {"datasets.base", "experiments.artifacts", "experiments.metrics"},
    "experiments.inference": {"datasets.base", "datasets.loading", "experiments.artifacts"}
    | {"losses.pretrained", "models.base", "models.color", "models.layers", "models.zhang17"},
    "experiments.input_kind": {*_DATA, "datasets.mixtures", *_ARTIFACTS, "losses.pretrained"}
    | {"experiments.inference", "models.layers"},
    "experiments.evaluation": {*_DATA, *_ARTIFACTS, "experiments.metrics"}
    | {"models.base", "models.color"},
    "experiments.training": {"datasets.base", "datasets.loading", *_ARTIFACTS}
    | {"experiments.evaluation", "experiments.metrics", "losses", "models.base"},
    "experiments.plots": {"datasets.base", "experiments.settings", "experiments.artifacts"}
    | {"experiments.tables", "experiments.evaluation", "experiments.metrics"},
    "experiments.compare": {"datasets.base", "datasets.files", "datasets.loading"}
    | {"experiments.artifacts", "experiments.inference", "experiments.metrics"}
    | {"experiments.training"},
    "experiments.video": {"datasets.base", "datasets.loading", "experiments.artifacts"}
    | {"experiments.inference", "models.color"},
    "experiments.ui": {"datasets.base", "experiments.inference"},
    "experiments.integrations.comfyui": {"datasets.base", "models.base", "models.color"}
    | {f"experiments.{room}" for room in ("artifacts", "inference", "package")}
    | {f"experiments.{room}" for room in ("training", "video")},
    "experiments.deploy": {*_DATA, "datasets.scenes", *_ARTIFACTS, "losses", *_METHODS}
    | {f"experiments.{room}" for room in ("evaluation", "inference", "metrics", "tables")}
    | {"experiments.training"},
    "experiments.benchmarks.folders": {"datasets.base"},
    "experiments.benchmarks": {*_DATA, "datasets.scenes", *_ARTIFACTS, *_METHODS}
    | {"experiments.benchmarks.folders"}
    | {"experiments.recipe_list", "experiments.evaluation", "experiments.inference"}
    | {"experiments.process_settings", "experiments.commands.files"}
    | {f"experiments.{room}" for room in ("training", "deploy", "plots", "ui")},
    "experiments.commands.shared": {*_ARTIFACTS, "datasets", "datasets.base"},
    "experiments.commands.data": {"datasets", "datasets.base", "datasets.files"}
    | {"losses.pretrained", "datasets.loading", "experiments.artifacts"}
    | {"models.color", "experiments.training", "experiments.commands.shared"}
    | {"experiments.evaluation"},
    "experiments.commands.files": {*_DATA, "experiments.inference", "experiments.video"}
    | {"experiments.artifacts", "experiments.commands.shared"},
    "experiments.commands": {*_DATA, "datasets.mixtures", "losses", "experiments.commands.files"}
    | {*_ARTIFACTS, *_METHODS, "experiments.recipe_list"}
    | {f"experiments.{room}" for room in ("training", "evaluation", "metrics", "tables", "plots")}
    | {f"experiments.{room}" for room in ("inference", "video", "ui", "compare", "deploy")}
    | {"experiments.input_kind", "experiments.benchmarks", "experiments.commands.shared"},
    "experiments.cli": {"datasets.base", "experiments.commands.shared"}
    | {"experiments.process_settings"},
    "experiments.package": {"experiments.cli", "experiments.inference"},
}
MAX_FILE_LINES, MAX_FUNCTION_LINES = 450, 60

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name, from the root, of every module of ours that a file imports."""
    package = () if path.parent == PACKAGE else path.relative_to(REPOSITORY).parent.parts
    if path.parent == PLUGIN:
        yield from plugin_imports(path)
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            dotted = ".".join(part for part in base if part)
            inside = (REPOSITORY / dotted.replace(".", "/")).is_dir()
            for alias in node.names:
                yield node.lineno, f"{dotted}.{alias.name}" if inside else dotted


def plugin_imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(parsed(path)):
        name = (node.module or "") if isinstance(node, ast.ImportFrom) and not node.level else ""
        if name == "crosschroma":
            yield node.lineno, "experiments.package.__init__"
        elif name.startswith("crosschroma."):
            yield node.lineno, name.removeprefix("crosschroma.")


def package_of(module: str) -> str:
    """What of ``ALLOWED`` a module belongs to: itself, or its folder."""
    return module if module in ALLOWED else module.rpartition(".")[0]


def allowed(importer: str, imported: str) -> bool:
    one, other = package_of(importer), package_of(imported)
    return one == other or other in ALLOWED[one]


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)


def test_the_walk_sees_the_imports() -> None:
    """Otherwise every test here would pass on nothing."""
    found = {name for _, name in imported_modules(REPOSITORY / "experiments/commands/train.py")}
    assert {
        "experiments.recipe_list",
        "experiments.training.engine",
        "datasets.base.errors",
    } <= found
    found = {name for _, name in imported_modules(REPOSITORY / "experiments/recipes/unet_vcip.py")}
    assert found >= {"datasets.vcip", "models.unet", "experiments.experiment"}
    found = {name for _, name in imported_modules(PLUGIN / "nodes.py")}
    assert found >= {"experiments.package.__init__", "experiments.video.colorize_video"}
    assert len(FILES) > 50


@pytest.mark.parametrize(
    ("importer", "imported", "verdict"),
    [
        ("datasets.vcip", "datasets.base.color", True),
        ("datasets.base.color", "datasets.vcip", False),
        ("datasets.vcip", "losses.pixel", False),
        ("losses.pixel", "datasets.base.color", True),
        ("losses.pixel", "datasets.files.folder", False),
        ("models.unet", "losses.pixel", True),
        ("models.base.method", "models.unet", False),
        ("models.unet", "datasets.loading.loader", False),
        ("models.unet", "experiments.training.engine", False),
        ("experiments.training.engine", "experiments.commands.train", False),
        ("experiments.commands.train", "experiments.training.engine", True),
        ("experiments.commands.shared.usage", "experiments.cli", False),
        ("experiments.recipes.unet_vcip", "models.unet", True),
    ],
)
def test_the_rule_of_imports(importer: str, imported: str, verdict: bool) -> None:
    assert allowed(importer, imported) == verdict


def test_the_rule_has_no_circle_and_names_what_exists() -> None:
    """A package may import only what can be put before it."""
    placed: set[str] = set()
    while ready := {one for one in ALLOWED if one not in placed and ALLOWED[one] - {one} <= placed}:
        placed |= ready
    assert sorted(ALLOWED.keys() - placed) == []
    for name in ALLOWED:
        path = REPOSITORY / name.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), name


def test_imports_point_one_way() -> None:
    backward = [
        f"{path}:{line}: {module}"
        for path in FILES
        for line, module in imported_modules(path)
        if not allowed(dotted(path), module)
    ]
    assert backward == []


def test_own_modules_are_imported_relatively() -> None:
    ours = {*FOLDERS, "crosschroma", "tests"}
    absolute = [
        f"{path}:{node.lineno}: {name}"
        for path in FILES
        if path.parent != PLUGIN
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
    files = [path for folder in folders for path in (REPOSITORY / folder).rglob("__init__.py")]
    assert sorted(files) == [PLUGIN / "__init__.py", PACKAGE / "__init__.py"]


def test_files_and_functions_are_short() -> None:
    long = [
        f"{path}: {lines} lines"
        for path in FILES
        if (lines := len(path.read_text().splitlines())) > MAX_FILE_LINES
    ]
    long += [
        f"{path}:{node.lineno}: {node.name} has {lines} lines"
        for path in FILES
        for node in ast.walk(parsed(path))
        if isinstance(node, Function)
        and (lines := node.end_lineno - node.lineno + 1) > MAX_FUNCTION_LINES  # pyright: ignore
    ]
    assert long == []


def test_what_is_public_says_what_it_is() -> None:
    silent = [str(path) for path in FILES if not ast.get_docstring(parsed(path))]
    silent += [
        f"{path}:{node.lineno}: {node.name}"
        for path in FILES
        for node in parsed(path).body
        if isinstance(node, Function | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_no_two_classes_share_a_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in FILES:
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


# what may load a file as more than plain data, and where that is safe: tensors only, or a program
# that the user asks for
LOADERS = {
    "torch.load": ["losses/pretrained/tensor_file.py"],
    "torch.jit.load": ["experiments/inference/exported_file.py"],
    "pickle.load": [],
    "pickle.loads": [],
    "torch.hub.load": [],
    "torch.hub.load_state_dict_from_url": [],
}


def test_files_are_loaded_where_that_is_safe() -> None:
    found: dict[str, list[str]] = {name: [] for name in LOADERS}
    unsafe: list[str] = []
    for path in FILES:
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            if name in found:
                found[name].append(path.relative_to(REPOSITORY).as_posix())
            keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
            plain = keywords.get("allow_pickle") == "False"
            if (name == "np.load" and not plain) or keywords.get("weights_only") == "False":
                unsafe.append(f"{path}:{node.lineno}")
    assert found == LOADERS
    assert unsafe == []
