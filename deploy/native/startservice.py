"""`startservice`: a project of its own for a new service, complete and running."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import service_names
from .layout import Layout
from .problems import USAGE, Problem
from .service_names import code_of, model_name

TEMPLATES = Path(__file__).with_name("service_template")
SUFFIX = ".template"
TOKEN = re.compile(r"@(name|Name|NAME|model|Model)@")


def run(layout: Layout, arguments: Sequence[str]) -> None:
    """All of its files, or none of them."""
    if len(arguments) != 1:
        raise Problem("Usage: startservice <name>", code=USAGE)
    (name,) = arguments
    service_names.check(layout, name)
    files = rendered(name)
    write(layout.root, name, files)
    for path in files:
        print(f"  {path}")
    print(NEXT.format(name=name, command=layout.command))


def rendered(name: str) -> dict[str, str]:
    """Every file of the service, by its path in the checkout."""
    model = model_name(name)
    tokens = {
        "name": name,
        "Name": name.capitalize(),
        "NAME": name.upper(),
        "model": model.lower(),
        "Model": model,
    }
    sources = sorted(TEMPLATES.rglob(f"*{SUFFIX}"))
    return {_place(source, name): _fill(source, tokens) for source in sources}


def write(root: Path, name: str, files: Mapping[str, str]) -> None:
    """Beside their places first, then each whole into its own: the folder last, as by
    it the service is found."""
    scratch = root / f".{name}.new"
    shutil.rmtree(scratch, ignore_errors=True)  # Of a try that was killed.
    project, routes = code_of(root, name)
    try:
        for path, text in files.items():
            _write(scratch / path, text)
        _adopt(scratch, like=root / "manage_all.sh")
        (scratch / routes.relative_to(root)).rename(routes)
        try:
            (scratch / project.name).rename(project)
        except BaseException:
            routes.unlink()
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _place(source: Path, name: str) -> str:
    folder, *rest = source.relative_to(TEMPLATES).parts
    if not rest:
        return f"nginx/services/{name}.conf"
    app = name if rest[0] == "app" else rest[0]
    return "/".join([f"{name}_{folder}", app, *rest[1:]]).removesuffix(SUFFIX)


def _fill(source: Path, tokens: Mapping[str, str]) -> str:
    text = TOKEN.sub(lambda m: tokens[m[1]], source.read_text(encoding="utf-8"))
    return _with_sorted_imports(text) if ".py" in source.suffixes else text


def _with_sorted_imports(text: str) -> str:
    """Where the app stands among imports goes by its name, of which templates know
    nothing."""
    block = re.compile(r"(?:^from \S+ import .+\n)+", re.MULTILINE)
    return block.sub(lambda m: "".join(sorted(m[0].splitlines(True))), text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _adopt(folder: Path, like: Path) -> None:
    """Owner and rights of the checkout's own files: this is source code, whoever runs
    the stack."""
    found = like.stat()
    rights = found.st_mode & 0o777
    for path in [folder, *folder.rglob("*")]:
        runs = path.is_dir() or path.name == "manage.py"
        path.chmod(rights if runs else rights & ~0o111)
        if os.geteuid() == 0:
            os.chown(path, found.st_uid, found.st_gid)


NEXT = """\
memo: the service `{name}` is made; next
  {command} up            databases, secrets, settings; starts it with the others
  {command} test {name}    its suite
  {name}_project/README.md        what to change; docs/services.md, how it works"""
