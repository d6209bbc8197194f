"""The wheel of `shared`, as `pip wheel --no-deps .` makes it."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("pyproject.toml", "LICENSE", "requirements/runtime.in")


def build_wheel(folder: Path) -> Path:
    """Made in `folder`, of a copy: the checkout may be read-only. No index is asked."""
    for name in SOURCES:
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    shutil.copytree(ROOT / "shared", folder / "source" / "shared")
    words = "-m pip wheel --quiet --no-deps --no-index --no-build-isolation"
    command = [sys.executable, *words.split(), "--wheel-dir", folder, "."]
    subprocess.run(command, cwd=folder / "source", check=True)
    [wheel] = folder.glob("memo_shared-*.whl")
    return wheel
