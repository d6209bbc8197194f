"""Versions, what is remembered, and what is asked of the system's packages."""

import subprocess
from pathlib import Path

import pytest

from deploy.native import apt, engines, virtualenv
from deploy.native.engine_kinds import (
    KINDS,
    NGINX,
    POSTGRES,
    REDIS,
    Kind,
    parse_version,
)
from deploy.native.files import write_json
from deploy.native.layout import Layout


@pytest.mark.parametrize(
    ("kind", "text", "version"),
    [
        (POSTGRES, "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", (15, 18)),
        (POSTGRES, "postgres (PostgreSQL) 19beta1", (19,)),
        (REDIS, "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc", (7, 0, 15)),
        (REDIS, "Valkey server v=8.1.1 sha=00000000:0", (8, 1, 1)),
        (NGINX, "nginx version: nginx/1.22.1", (1, 22, 1)),
        (NGINX, "nginx version: openresty/1.21", None),
    ],
)
def test_versions_are_read(kind: Kind, text: str, version: tuple[int, ...]) -> None:
    assert parse_version(kind, text) == version


def program(path: Path, prints: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(0o700)
    return str(path)


def test_the_newest_that_is_new_enough_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = program(tmp_path / "a" / "redis-server", "Redis server v=6.2.14 x")
    new = program(tmp_path / "b" / "valkey-server", "Valkey server v=8.1.1 x")
    monkeypatch.setenv("PATH", f"{Path(old).parent}:{Path(new).parent}")
    monkeypatch.setattr(engines, "MORE_PATH", ())
    found = engines._search(REDIS)
    assert found is not None
    assert found.program == new
    assert str(found) == f"Valkey 8.1.1 (system: {new})"


def test_a_client_only_postgresql_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "postgres", "postgres (PostgreSQL) 99.1")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(engines, "MORE_PATH", ())
    monkeypatch.setattr(engines, "POSTGRES_FOLDERS", ())
    assert engines._search(POSTGRES) is None
    program(tmp_path / "initdb", "")
    program(tmp_path / "psql", "")
    assert engines._search(POSTGRES) is not None


def remember(layout: Layout, path: str, version: list[int]) -> None:
    noted = {"program": path, "source": "system", "env": {}, "version": version}
    write_json(layout.base / "engines.json", {REDIS.name: noted})


def test_the_engine_of_the_last_time_stays(layout: Layout, tmp_path: Path) -> None:
    path = program(tmp_path / "redis-server", "Redis server v=7.0.15 x")
    remember(layout, path, [7, 0, 11])
    found = engines.look(layout)[REDIS.name]
    assert found is not None
    assert found.program == path


@pytest.mark.parametrize("version", [[8, 0, 1], [6, 2, 1]])
def test_another_major_version_is_not_the_one_remembered(
    layout: Layout, tmp_path: Path, version: list[int]
) -> None:
    path = program(tmp_path / "redis-server", "Redis server v=7.0.15 x")
    remember(layout, path, version)
    assert engines._remembered(layout, REDIS) is None


@pytest.mark.parametrize(
    "name", ["perl-base", "nginx-common", "libc6", "libllvm14", "postgresql"]
)
def test_what_servers_do_not_need_is_not_fetched(name: str) -> None:
    assert apt.UNNEEDED.fullmatch(name)


@pytest.mark.parametrize(
    "name", ["postgresql-15", "redis-tools", "libpq5", "nginx", "libpcre2-8-0"]
)
def test_what_servers_need_is_fetched(name: str) -> None:
    assert not apt.UNNEEDED.fullmatch(name)


@pytest.fixture
def pinned(layout: Layout) -> Layout:
    """A checkout with requirements and an environment that claims to be whole."""
    (layout.root / "requirements").mkdir()
    for name in ("runtime", "dev"):
        (layout.root / "requirements" / f"{name}.txt").write_text(name)
    (layout.root / "pyproject.toml").write_text("")
    program(layout.python, "")
    stamp = virtualenv._wanted(layout)
    del stamp["sets"]["dev"]
    stamp["python"] = str(layout.python.resolve())
    write_json(layout.base / "venv.stamp", stamp)
    return layout


def test_an_environment_fits_by_its_stamp(pinned: Layout) -> None:
    assert virtualenv.fits(pinned)
    assert not virtualenv.fits(pinned, virtualenv.DEV)
    assert not virtualenv.must_be_made_anew(pinned)


def test_an_environment_without_a_stamp_is_half_made(pinned: Layout) -> None:
    (pinned.base / "venv.stamp").unlink()
    assert virtualenv.must_be_made_anew(pinned)


def test_other_requirements_make_a_new_environment(pinned: Layout) -> None:
    (pinned.root / "requirements" / "runtime.txt").write_text("other")
    assert virtualenv.must_be_made_anew(pinned)


def test_other_package_metadata_is_only_installed_again(pinned: Layout) -> None:
    (pinned.root / "pyproject.toml").write_text("[project]")
    assert not virtualenv.fits(pinned)
    assert not virtualenv.must_be_made_anew(pinned)


def test_a_python_that_is_gone_makes_a_new_environment(pinned: Layout) -> None:
    pinned.python.unlink()
    assert virtualenv.must_be_made_anew(pinned)


def test_pip_keeps_the_mirror_and_loses_what_misleads_it(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("PYTHONPATH", "/foreign")
    env = virtualenv.install_env(layout)
    assert env["PIP_INDEX_URL"] == "https://mirror.example/simple"
    assert not {"PIP_TARGET", "PYTHONPATH"} & env.keys()


def test_wrappers_start_the_engine_with_its_libraries(
    layout: Layout, tmp_path: Path
) -> None:
    folder = tmp_path / "a b"
    program(folder / "redis-server", "")
    (folder / "redis-server").write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH: $*"\n')
    env = {"LD_LIBRARY_PATH": "/some where"}
    found = {
        kind.name: engines.Engine(
            kind.name, str(folder / kind.programs[0]), kind.least, "unpacked", env
        )
        for kind in KINDS
    }
    engines._write_wrappers(layout, found)
    wrapper = layout.base / "engines" / "redis-server"
    done = subprocess.run(
        [wrapper, "one", "two"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "/some where: one two\n"
