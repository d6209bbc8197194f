"""Which servers are used, and what is asked of the system's packages."""

import subprocess
from pathlib import Path

import pytest

from deploy.local import server_binaries
from deploy.local.layout import Layout
from deploy.local.problems import MISSING, Problem
from deploy.local.server_binaries import NGINX, POSTGRES, REDIS, UNNEEDED, Kind


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


@pytest.mark.parametrize(
    ("kind", "text", "major"),
    [
        (POSTGRES, "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 15),
        (POSTGRES, "postgres (PostgreSQL) 19beta1", 19),
        (POSTGRES, "postgres (PostgreSQL) 14.1", None),
        (REDIS, "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc", 7),
        (REDIS, "Redis server v=6.2.14 sha=00000000:0", None),
        (NGINX, "nginx version: nginx/1.22.1", 1),
        (NGINX, "nginx version: nginx/1.18.0", None),
        (NGINX, "nginx version: openresty/1.21", None),
    ],
)
def test_a_program_that_is_new_enough_is_taken(
    layout: Layout, bin_folder: Path, kind: Kind, text: str, major: int | None
) -> None:
    for name in (kind.programs[0], *kind.others):
        program(bin_folder / name, text)
    found = server_binaries._newest(kind, server_binaries.MACHINE)
    assert (found[0][0] if found else None) == major


def test_the_newest_that_is_new_enough_is_used(
    layout: Layout, bin_folder: Path
) -> None:
    program(bin_folder / "redis-server", "Redis server v=7.0.15 x")
    newest = program(
        bin_folder.parent / "other" / "valkey-server", "Valkey server v=8.1"
    )
    assert server_binaries.adopt(layout, REDIS) == (str(newest), 8)
    script = layout.servers / "redis-server"
    assert script.stat().st_mode & 0o777 == 0o700
    done = subprocess.run([script], capture_output=True, text=True, check=True)
    assert done.stdout == "Valkey server v=8.1\n"


def test_a_postgresql_without_its_tools_is_not_taken(bin_folder: Path) -> None:
    program(bin_folder / "postgres", "postgres (PostgreSQL) 99.1")
    assert server_binaries._newest(POSTGRES, server_binaries.MACHINE) is None


def test_what_was_found_is_used_again(
    layout: Layout, bin_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, text in (
        (REDIS, "v=7.0"),
        (NGINX, "nginx/1.22"),
        (POSTGRES, "PostgreSQL) 15"),
    ):
        for name in (kind.programs[0], *kind.others):
            program(bin_folder / name, text)
    assert server_binaries.ensure(layout) == 15
    program(bin_folder.parent / "other" / "postgres", "PostgreSQL) 17")
    monkeypatch.setattr(server_binaries, "adopt", None)
    assert server_binaries.ensure(layout) == 15


def test_a_machine_without_apt_gets_the_names_of_packages(
    layout: Layout, bin_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_binaries, "find", lambda _name: None)
    with pytest.raises(Problem, match="redis-server") as raised:
        server_binaries.adopt(layout, REDIS)
    assert raised.value.code == MISSING
    assert "docker compose" in raised.value.hint


@pytest.mark.parametrize("name", ["libllvm14", "perl-base", "libjson-perl", "libc6"])
def test_what_a_private_server_does_not_need_is_not_fetched(name: str) -> None:
    assert UNNEEDED.fullmatch(name)


@pytest.mark.parametrize("name", ["postgresql-15", "libpq5", "nginx", "libjemalloc2"])
def test_what_it_needs_is(name: str) -> None:
    assert not UNNEEDED.fullmatch(name)
