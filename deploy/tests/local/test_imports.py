"""The shape of the package: layers, no circle, no module that rewrites sys.path."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "local"
LAYERS = 6


def imports() -> dict[str, set[str]]:
    """What each module of the package imports of it."""
    names = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    found: dict[str, set[str]] = {}
    for name in names:
        tree = ast.parse((PACKAGE / f"{name}.py").read_text())
        found[name] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                of = [node.module] if node.module else [x.name for x in node.names]
                found[name] |= {each.partition(".")[0] for each in of} & names
    return found


def test_there_are_six_layers_and_no_circle() -> None:
    left, layers = imports(), 0
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
    allowed = {"deploy", "environ"}  # the second inside a function
    import sys

    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names = [node.module]
            for name in names:
                top = name.partition(".")[0]
                assert top in sys.stdlib_module_names | allowed, (path.name, name)
