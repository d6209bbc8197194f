"""Which servers are used, and what is asked of the system's packages."""

import subprocess
from pathlib import Path

import pytest

from deploy import jobs, suites
from deploy.local.problems import MISSING, Problem
from deploy.local.servers import server_binaries
from deploy.local.servers.server_binaries import NGINX, POSTGRES, REDIS, Kind
from deploy.local.setup import layout as layouts
from deploy.local.setup.layout import Layout


def program(path: Path, prints: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(0o700)
    return path


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where programs are."""
    monkeypatch.setattr(server_binaries, "PLACES", [])
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{tmp_path / 'other'}")
    return tmp_path / "bin"


def test_the_newest_that_is_new_enough_is_used(
    layout: Layout, bin_folder: Path
) -> None:
    program(bin_folder / "redis-server", "Redis server v=7.0.15 x")
    newest = program(
        bin_folder.parent / "other" / "valkey-server", "Valkey server v=8.1"
    )
    script = Path(server_binaries.tool(layout, REDIS))
    assert str(newest) in script.read_text()
    assert script.stat().st_mode & 0o777 == 0o700
    done = subprocess.run([script], capture_output=True, text=True, check=True)
    assert done.stdout == "Valkey server v=8.1\n"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (POSTGRES, "postgres (PostgreSQL) 14.1"),
        (REDIS, "Redis server v=6.2.14 sha=00000000:0"),
        (NGINX, "nginx version: nginx/1.18.0"),
        (NGINX, "nginx version: openresty/1.21"),
    ],
)
def test_a_machine_without_apt_gets_the_names_of_packages(
    layout: Layout, bin_folder: Path, kind: Kind, text: str
) -> None:
    """A program that is too old is as good as none."""
    program(bin_folder / kind.programs[0], text)
    with pytest.raises(Problem, match=kind.package) as raised:
        server_binaries.tool(layout, kind)
    assert raised.value.code == MISSING
    assert "docker compose" in raised.value.hint


def test_what_was_found_is_used_again(layout: Layout, bin_folder: Path) -> None:
    texts = {REDIS: "v=7.0", NGINX: "nginx/1.22", POSTGRES: "PostgreSQL) 15"}
    for kind, text in texts.items():
        for name in (kind.programs[0], *kind.others):
            program(bin_folder / name, text)
    assert server_binaries.ensure(layout) == 15
    program(bin_folder.parent / "other" / "postgres", "PostgreSQL) 17")
    assert server_binaries.ensure(layout) == 15


def test_the_suite_of_the_gateway_brings_its_nginx(
    layout: Layout, bin_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a fresh clone, where no `up` has."""
    program(bin_folder / "nginx", "nginx version: nginx/1.22")
    seen = []

    def call(*_words: object, **_options: object) -> int:
        seen.append((layout.servers / "nginx").exists())
        return 0

    monkeypatch.setattr(layouts, "of", lambda _stack: layout)
    monkeypatch.setattr(jobs, "call", call)
    suites.run("gateway")
    assert seen == [True]
