"""From the last release to this version and back, as docs/operations/upgrade.md says,
while clients are at work."""

import shutil
from pathlib import Path

import pytest

from deploy.local.setup.files import read_env
from deploy.local.setup.secretfiles import KEY
from deploy.tests.load import Load
from deploy.tests.release import release
from deploy.tests.stack import SETTINGS, with_lines

from .checkout import MADE, SOURCE, Checkout

__all__ = ["release"]
REPLACE = ("restart", "auth", "users", "gateway")


def put(files: Path, checkout: Checkout) -> None:
    """Other code, as `git pull` would; settings, secrets and state stay."""
    kept = {*MADE, "__pycache__"}
    for path in checkout.path.iterdir():
        if path.is_dir() and path.name not in kept:
            for old in path.rglob("*"):
                if old.is_file() and old.name not in kept:
                    old.unlink()
    leave = shutil.ignore_patterns(*MADE)
    shutil.copytree(files, checkout.path, ignore=leave, dirs_exist_ok=True)


@pytest.mark.verify
def test_an_upgrade_and_the_way_back_lose_no_request(
    release: Path, tmp_path: Path
) -> None:
    checkout = Checkout.copy_to(tmp_path / "memo")
    put(release, checkout)
    checkout.ok("init")
    for name, file in checkout.layout.all_env_files().items():
        wanted = read_env(SETTINGS / name)
        file.write_text(with_lines(file.read_text(), wanted))
    checkout.ok("up")
    key = (checkout.layout.secrets / KEY.format("users", "auth")).read_text().strip()
    ports = (checkout.ports[name] for name in ("gateway", "auth"))
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    try:
        with Load(*urls, key).running() as load:
            put(SOURCE, checkout)
            checkout.ok("migrate")
            checkout.ok("collectstatic", "--noinput")
            checkout.ok(*REPLACE)
            upgraded = sum(load.answered.values())
            put(release, checkout)
            checkout.ok(*REPLACE)
        assert load.failed == []
        assert sum(load.answered.values()) == load.sent > upgraded > 0
    finally:
        checkout.ok("down")
