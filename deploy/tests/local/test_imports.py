"""The shape of the package: layers, no circle, no module that rewrites sys.path."""

import ast
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "local"
TREES = {path.stem: ast.parse(path.read_text()) for path in PACKAGE.glob("[!_]*.py")}
TREES["__main__"] = ast.parse((PACKAGE / "__main__.py").read_text())
LAYERS = 6
# Inside functions alone, which run later.
PACKAGES = {"environ", "supervisor"}


def needed(tree: ast.Module) -> set[str]:
    """What a module imports of this package."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            of = [node.module] if node.module else [each.name for each in node.names]
            found |= {each.partition(".")[0] for each in of}
    return found & TREES.keys()


def test_there_are_six_layers_and_no_circle() -> None:
    left, layers = {name: needed(tree) for name, tree in TREES.items()}, 0
    while left:
        free = {name for name, needs in left.items() if not needs & left.keys()}
        assert free, f"a circle among {sorted(left)}"
        left = {name: needs for name, needs in left.items() if name not in free}
        layers += 1
    assert layers <= LAYERS


def test_no_module_rewrites_sys_path() -> None:
    for path in PACKAGE.glob("*.py"):
        assert "sys.path" not in path.read_text(), path


def test_what_runs_before_the_packages_needs_none_of_them() -> None:
    """manage_all.sh starts it with whatever Python the machine has."""
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            names = [each.name for each in getattr(node, "names", [])]
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""] if not node.level else []
            elif not isinstance(node, ast.Import):
                continue
            for top in (name.partition(".")[0] for name in names):
                is_allowed = top in {*sys.stdlib_module_names, "deploy"}
                is_later = top in PACKAGES and node not in tree.body
                assert is_allowed or is_later, (module, top)
