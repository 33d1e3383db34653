"""Pages of the site: the folders' READMEs, the API by folder, and quotes of the results.

MkDocs calls ``on_config``, ``on_files`` and ``on_post_build``. A link of a README that leads to a
file of the checkout leads to its page, or to the file itself, in the site.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
CODE = ("models", "datasets", "losses", "experiments")
ROOMS = (*CODE, "results", "tests")
SOURCE = ROOT / "build" / "docs" / "source" / "crosschroma"
API = "api"
_LINK = re.compile(r"(\]\()([^)\s#:]+)(#[\w.-]+)?(\))")
_QUOTE = re.compile(r"^\{\{ (\w+) ?([^:}]*?)(?:: (.*))? \}\}$", re.MULTILINE)
_PLUGIN = ROOT / "experiments" / "integrations"  # copied into other programs, never imported


def on_config(config: Any) -> Any:
    """Lay the code out as it is installed, for the tool that reads docstrings; set the menu."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    for module in modules():
        target = SOURCE / module.relative_to(ROOT)
        if module.parent == ROOT / "experiments" / "package":
            target = SOURCE / module.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(module, target)
    for folder in {path.parent for path in SOURCE.rglob("*.py")} - {SOURCE}:
        (folder / "__init__.py").touch()
    config["nav"] = [
        {"crosschroma": "README.md"},
        {"Which method for what": "methods.md"},
        {"Protocols": "protocols.md"},
        {"Guides": [page_of(path) for path in readmes() if path.parent != ROOT]},
        {"API": [f"{API}/{name}.md" for name in packages()]},
    ]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages, then whatever they link to."""
    texts = {page_of(path): (path.read_text(), path) for path in readmes()}
    for name in ("methods.md", "protocols.md"):
        texts[name] = (
            _QUOTE.sub(quoted, (Path(config["docs_dir"]) / name).read_text()),
            ROOT / name,
        )
    for name, paths in packages().items():
        texts[f"{API}/{name}.md"] = (api_page(name, paths), ROOT / API / f"{name}.md")
    waiting = dict(texts)
    while waiting:
        page, (text, source) = waiting.popitem()
        text, targets = linked(text, source, page)
        replace(files, File.generated(config, page, content=text))
        for target in targets:
            uri = target.relative_to(ROOT).as_posix()
            if target.suffix == ".md" and uri not in texts:
                texts[uri] = waiting[uri] = (target.read_text(), target)
            elif target.suffix != ".md" and files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, abs_src_path=str(target)))
    return files


def on_post_build(config: Any) -> None:
    """Refuse a site that lacks a public class or function."""
    pages = "".join(p.read_text() for p in (Path(config["site_dir"]) / API).rglob("*.html"))
    shown = set(re.findall(r'id="(crosschroma[\w.]*)"', pages))
    if missing := sorted(set(public_names()) - shown):
        raise PluginError(f"the API pages lack {', '.join(missing)}")


def modules() -> list[Path]:
    """Every module that can be imported, sorted."""
    paths = (path for folder in CODE for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in paths if _PLUGIN not in path.parents)


def readmes() -> list[Path]:
    """README and the READMEs of the folders, sorted."""
    return [ROOT / "README.md", *(p for r in ROOMS for p in sorted((ROOT / r).rglob("README.md")))]


def packages() -> dict[str, list[Path]]:
    """Folder of code, dotted -> its modules."""
    folders: dict[str, list[Path]] = {}
    for path in modules():
        folders.setdefault(".".join(path.parent.relative_to(ROOT).parts), []).append(path)
    return dict(sorted(folders.items()))


def dotted(path: Path) -> str:
    """The name by which a module is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[2:] if parts[:2] == ("experiments", "package") else parts
    return ".".join(("crosschroma", *(part for part in parts if part != "__init__")))


def public_names() -> list[str]:
    """Dotted names of the public classes and functions of all modules."""
    return [
        f"{dotted(path)}.{node.name}"
        for path in modules()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
    ]


def page_of(path: Path) -> str:
    """The page of a Markdown file, the same path as in the checkout."""
    return path.relative_to(ROOT).as_posix()


def api_page(name: str, paths: list[Path]) -> str:
    """The page of a folder's modules."""
    return "\n".join(
        [f"# {name.replace('.', '/')}\n", *(f"::: {dotted(path)}\n" for path in paths)]
    )


def linked(text: str, source: Path, page: str) -> tuple[str, list[Path]]:
    """A text whose links lead to pages of the site, and the files that these are made of.

    Args:
        text: Markdown.
        source: the file, from whose folder its links go.
        page: where the text will be.
    """
    targets: list[Path] = []

    def lead(match: re.Match[str]) -> str:
        target = Path(os.path.normpath(source.parent / match[2]))
        if not target.exists() or not target.is_relative_to(ROOT):
            return match[0]  # strict MkDocs names it
        anchor = match[3] or ""
        if target.is_dir():
            readme, folder = target / "README.md", ".".join(target.relative_to(ROOT).parts)
            if readme.exists():
                target = readme
            elif folder in packages():
                return f"{match[1]}{relative(f'{API}/{folder}.md', page)}{match[4]}"
            else:
                return match[1] + relative(page_of(nearest_readme(target)), page) + match[4]
        if target in modules():
            folder = ".".join(target.parent.relative_to(ROOT).parts)
            return f"{match[1]}{relative(f'{API}/{folder}.md', page)}#{dotted(target)}{match[4]}"
        targets.append(target)
        return match[1] + relative(page_of(target), page) + anchor + match[4]

    return _LINK.sub(lead, text), targets


def nearest_readme(folder: Path) -> Path:
    """That of the folder around one which has none."""
    return next(p / "README.md" for p in folder.parents if (p / "README.md").exists())


def relative(target: str, page: str) -> str:
    """A link from one page to another."""
    return os.path.relpath(target, os.path.dirname(page) or ".")


def quoted(match: re.Match[str]) -> str:
    """A part of another file, or the cautions of the tables, with links from the top."""
    kind, name, what = match.groups()
    if kind == "specs":
        return specs()
    path = ROOT / name
    text = path.read_text()
    if kind == "section":
        text = part(text, rf"^## {re.escape(what)}\n(.*?)(?=^## |\Z)", match[0])
    elif kind == "block":
        text = part(text, rf"<!-- table:{re.escape(what)} -->\n(.*?)<!-- /table -->", match[0])
    elif kind == "table":
        text = part(text, r"((?:^\|.*\n)+)", match[0])
    else:
        text = re.sub(r"^# .*\n", "", text)

    def from_top(link: re.Match[str]) -> str:
        target = os.path.relpath(os.path.normpath(path.parent / link[2]), ROOT)
        return link[1] + target + (link[3] or "") + link[4]

    return _LINK.sub(from_top, text).strip()


def part(text: str, pattern: str, quote: str) -> str:
    """What a pattern finds."""
    match = re.search(pattern, text, re.MULTILINE | re.DOTALL)
    if match is None:
        raise PluginError(f"nothing to quote for {quote}")
    return match[1]


def specs() -> str:
    """Inputs, subsets and cautions, as the tables print them."""
    from crosschroma.experiments.tables import specs

    lines = [f"{specs.SEVERAL_INPUTS}\n"]
    lines += [f"- **{name}**: {text}" for name, text in specs.INPUTS.values()]
    for name, title in specs.TITLES.items():
        cautions = specs.cautions(name)
        subsets = ", ".join(specs.SUBSETS_OF.get(name, {}).values())
        if cautions or subsets:
            lines += [f"\n### {title}\n", *(f"{text}\n" for text in cautions)]
            lines += [f"Subsets: {subsets}.\n"] if subsets else []
    for name, (metrics, text) in specs.CONVENTION_OF.items():
        lines.append(f"\n### {name}: {', '.join(metrics)}\n\n{text}\n")
    return "\n".join(lines)


def replace(files: Files, file: File) -> None:
    """Add a file in the place of one with its name."""
    if before := files.get_file_from_path(file.src_uri):
        files.remove(before)
    files.append(file)
