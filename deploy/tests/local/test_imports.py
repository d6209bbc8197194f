"""The shape of the package: layers, no circle, no module that rewrites sys.path."""

import ast
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "local"
TREES = {path.stem: ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}
LAYERS = 6
# Inside functions alone, which run later: manage_all.sh starts with whatever Python the
# machine has.
PACKAGES = {"environ", "supervisor"}


def test_there_are_six_layers_and_no_circle() -> None:
    left: dict[str, set[str]] = {name: set() for name in TREES}
    layers = 0
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                module = (node.module or "").rpartition(".")[2]
                left[name] |= {module, *(x.name for x in node.names)} & TREES.keys()
    while left:
        free = {name for name, needs in left.items() if not needs & left.keys()}
        assert free, f"a circle among {sorted(left)}"
        left = {name: needs for name, needs in left.items() if name not in free}
        layers += 1
    assert layers <= LAYERS


def test_what_runs_before_the_packages_needs_none_of_them() -> None:
    for module, tree in TREES.items():
        assert "sys.path" not in ast.unparse(tree), module
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for top in (name.partition(".")[0] for name in names):
                is_allowed = top in {*sys.stdlib_module_names, "deploy"}
                is_later = top in PACKAGES and node not in tree.body
                assert is_allowed or is_later, (module, top)
