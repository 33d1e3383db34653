"""What gets installed: one import name, beside Hugging Face's ``datasets``."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from crosschroma.experiments import recipe_list

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = ("datasets", "losses", "models", "experiments")
PLUGIN = REPOSITORY / "experiments" / "integrations"  # copied from the checkout, never imported
MODULES = sorted(
    path
    for folder in FOLDERS
    for path in (REPOSITORY / folder).rglob("*.py")
    if PLUGIN not in path.parents
)
DATA = sorted(  # split lists, priors, pages, a network, a source in C++: what the modules read
    path
    for folder in FOLDERS
    for path in (REPOSITORY / folder).rglob("*")
    if path.is_file()
    and path.suffix not in {".py", ".md"}
    and path.parent.name != "__pycache__"
    and PLUGIN not in path.parents
)
WEIGHTS = REPOSITORY / "results" / "weights"
PACKAGE = REPOSITORY / "experiments" / "package"  # what `crosschroma` itself is
FOREIGN = "__version__ = 'not ours'\n"


def installed(path: Path) -> Path:
    """Where a file or folder of the checkout is below the installed package's parent."""
    root = PACKAGE if path.is_relative_to(PACKAGE) else REPOSITORY
    return "crosschroma" / path.relative_to(root)


def dotted(path: Path) -> str:
    return ".".join(installed(path).with_suffix("").parts).removesuffix(".__init__")


def folder_of(package: str) -> Path:
    """The folder of the checkout that is installed as this package."""
    return PACKAGE if package == "crosschroma" else REPOSITORY.joinpath(*package.split(".")[1:])


def python(code: str, cwd: Path, **env: str) -> str:
    """What a fresh interpreter of this environment prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pyproject_lists_every_folder_that_holds_code() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["packages"]
    folders = {path.parent for path in MODULES}
    assert sorted(packages) == sorted([*map(dotted, folders), "crosschroma.weights"])
    mapped = project["tool"]["setuptools"]["package-dir"]
    assert mapped.pop("crosschroma.weights") == "results/weights"
    assert mapped.pop("crosschroma") == "experiments/package"
    assert mapped == {f"crosschroma.{folder}": folder for folder in FOLDERS}


def test_pyproject_names_every_file_that_is_no_code() -> None:
    """So that a file of a new kind is missed here and not in an installed package."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    setuptools = project["tool"]["setuptools"]
    named = {
        path
        for package, patterns in setuptools["package-data"].items()
        for owner in (setuptools["packages"] if package == "*" else [package])
        for pattern in patterns
        for path in folder_of(owner).glob(pattern)
    }
    assert len(DATA) > 20
    assert sorted(set(DATA) - named) == []


def test_the_console_script_is_registered() -> None:
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="crosschroma")
    assert script.value == "crosschroma.experiments.cli:main"
    assert callable(script.load())


@pytest.mark.parametrize("place", ["empty", "checkout", "root"])
def test_every_module_is_found_from_any_folder(place: str, tmp_path: Path) -> None:
    """And none of our folders as a package of its own, save in the checkout itself."""
    code = f"""
from importlib.util import find_spec
for name in {[dotted(path) for path in MODULES]}:
    print(find_spec(name).origin)
spec = find_spec("models")
print(spec and (spec.origin or list(spec.submodule_search_locations)))
"""
    cwd = {"empty": tmp_path, "checkout": REPOSITORY, "root": Path("/")}[place]
    *found, top = python(code, cwd).splitlines()
    assert found == [str(path) for path in MODULES]
    assert top == (f"[{str(REPOSITORY / 'models')!r}]" if place == "checkout" else "None")


API = """
import sys
import crosschroma
print(crosschroma.__file__, crosschroma.__version__, "torch" in sys.modules, dir(crosschroma))
from crosschroma import Colorizer
print(Colorizer.load("encoder_unet_nir_epfl").origin.run, Colorizer.__module__)
"""


def answers(package: Path) -> list[str]:
    version = importlib.metadata.version("crosschroma")
    colorizer = "crosschroma.experiments.inference.colorizer"
    return [
        f"{package / '__init__.py'} {version} False ['Colorizer', '__version__', 'colorizer_for']",
        f"encoder_unet_nir_epfl {colorizer}",
    ]


def test_the_package_itself_is_light_and_leads_to_the_colorizer(tmp_path: Path) -> None:
    assert python(API, tmp_path).splitlines() == answers(PACKAGE)


def test_the_package_runs_as_a_module(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "crosschroma", "--version"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == f"crosschroma {importlib.metadata.version('crosschroma')}\n"


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'colorizer'"):
        importlib.import_module("crosschroma").colorizer  # noqa: B018


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the tracked files: setuptools writes beside its sources."""
    pytest.importorskip("setuptools", minversion="77", reason="needs setuptools to build with")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout: cannot tell which files are the project's")
    folder = tmp_path_factory.mktemp("wheel")
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            copy = folder / "source" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, copy)
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(folder / "source"))
    (built,) = folder.glob("*.whl")
    return built


def pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_wheel_holds_our_files_under_one_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        code = {name: archive.read(name) for name in names if name.startswith("crosschroma/")}
    info = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"
    assert {name.split("/")[0] for name in names} == {"crosschroma", info}
    expected = {installed(path).as_posix(): path.read_bytes() for path in [*MODULES, *DATA]} | {
        f"crosschroma/weights/{path.name}": path.read_bytes() for path in WEIGHTS.iterdir()
    }
    assert sorted(code) == sorted(expected)
    assert code == expected
    assert any(name.startswith(f"{info}/") and name.endswith("LICENSE") for name in names)


@pytest.mark.slow
def test_the_wheel_works_beside_hugging_face_datasets(wheel: Path, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    foreign = target / "datasets" / "__init__.py"
    foreign.parent.mkdir(parents=True)
    foreign.write_text(FOREIGN)
    elsewhere.mkdir()
    pip("install", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    assert foreign.read_text() == FOREIGN
    assert [path.name for path in foreign.parent.iterdir()] == ["__init__.py"]
    code = """
import datasets
from crosschroma.datasets.base import split_lists
from crosschroma.experiments import cli, recipe_list
print(datasets.__version__, cli.__file__, split_lists.__file__)
print(len(split_lists.read_split_list("vcip-test")), *recipe_list.recipe_names())
print(cli.run(["train", "unet_scenes_nir", "--smoke", "--hardware.workers", "0"]))
"""
    first, second, *_, code_of_training = python(
        code, elsewhere, PYTHONPATH=str(target), PYTHONDONTWRITEBYTECODE="1"
    ).splitlines()
    inside = target / "crosschroma"
    files = f"{inside / 'experiments' / 'cli.py'} {inside / 'datasets/base/split_lists.py'}"
    assert first == f"not ours {files}"
    assert python(API, elsewhere, PYTHONPATH=str(target)).splitlines() == answers(inside)
    assert second.split()[1:] == recipe_list.recipe_names()
    assert int(second.split()[0]) > 10
    assert code_of_training == "0"
    script = subprocess.run(
        [str(target / "bin" / "crosschroma"), "--version"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert script.stdout == f"crosschroma {wheel.name.split('-')[1]}\n"
