"""Packages of npm: what others use our API with."""

import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.tests.stack import ROOT

CACHE = ROOT / ".run" / "cache" / "npm"


def npm_install(folder: Path, *packages: str) -> str:
    """Under `folder` and nowhere else. Returns Node's path; skips where that cannot
    be."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        pytest.skip(f"NODE AND NPM ARE NOT HERE: {packages} proved nothing")
    words = "install --no-save --no-audit --no-fund --ignore-scripts --prefix . --cache"
    install = ["timeout", "120", npm, *words.split(), str(CACHE), *packages]
    done = subprocess.run(install, cwd=folder, capture_output=True)
    if done.returncode != 0:
        pytest.skip(f"NPM DID NOT INSTALL {packages}, WHICH PROVED NOTHING: {done}")
    return node
