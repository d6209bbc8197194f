"""What only root can try: becoming another user, and closed checkouts.

Not a part of `./manage_all.sh test`, which never runs as root. By hand, as root and in
an environment of root's: python -m pytest deploy/tests/local/test_as_root.py
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.problems import MISSING
from deploy.local.setup.layout import short_hash
from deploy.local.setup.privileges import COPIES

from .checkout import SOURCE, Checkout

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module", params=[0o755, 0o700], ids=["open", "closed"])
def checkout(request: pytest.FixtureRequest) -> Iterator[Checkout]:
    """A clone of root's: in a folder that others may enter, and in one they may not."""
    folder = Path(tempfile.mkdtemp(prefix="memo-"))
    folder.chmod(request.param)
    path = folder / "memo"
    subprocess.run(["git", "clone", "-q", SOURCE, path], check=True, umask=0o022)
    checkout = Checkout(path)
    yield checkout
    checkout.run("destroy", "--yes")
    for made in (folder, COPIES / short_hash(str(path))):
        shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def home(checkout: Checkout) -> Path:
    """Where the stack's state is."""
    is_open = checkout.path.parent.stat().st_mode & 0o5
    return checkout.path if is_open else COPIES / short_hash(str(checkout.path))


def test_root_runs_nothing(checkout: Checkout) -> None:
    said = checkout.ok("up")
    assert "nothing runs as root" in said
    for each in checkout.printed_state()["processes"].values():
        for pid in each["pids"]:
            assert Path(f"/proc/{pid}").stat().st_uid != 0
    assert (checkout.path / "shared" / "settings.py").stat().st_uid == 0


def test_a_closed_checkout_runs_in_a_copy_that_is_named(
    checkout: Checkout, home: Path
) -> None:
    said = checkout.ok("init")
    assert (home / "auth_project" / ".env").stat().st_size > 0
    assert list((home / ".secrets/keys/private").glob("*.pem"))
    if home != checkout.path:
        assert f"Everything runs in the copy {home}" in said
        assert "Containers need a checkout that this user can read" in said
        assert not (checkout.path / ".run").exists()
        assert not (checkout.path / ".secrets").exists()
        assert not list(checkout.path.rglob(".env"))


def test_what_is_gone_from_the_checkout_is_gone_from_the_copy(
    checkout: Checkout, home: Path
) -> None:
    new = checkout.path / "shared" / "trial.py"
    new.write_text("")
    new.chmod(0o644)
    checkout.ok("init")
    assert (home / "shared" / "trial.py").exists()
    new.unlink()
    checkout.ok("init")
    assert not (home / "shared" / "trial.py").exists()
    assert (home / "auth_project" / ".env").exists()


def test_root_follows_nothing_that_the_user_can_write(
    checkout: Checkout, home: Path, tmp_path: Path
) -> None:
    """The user plants links where root might write, at the first `up` or later."""
    checkout.ok("init")
    target = tmp_path / "target"
    target.write_text("root's")
    links = [home / ".run" / "cli.lock", home / ".secrets" / "auth_secret_key"]
    user = pwd.getpwuid((home / ".run").stat().st_uid)
    script = "for path; do rm -f $path; ln -s $TARGET $path; done"
    subprocess.run(
        ["sh", "-c", script, "sh", *links],
        env={"TARGET": str(target), "PATH": os.environ["PATH"]},
        user=user.pw_uid,
        check=True,
    )
    checkout.run("up")
    assert target.read_text() == "root's"
    assert target.stat().st_uid == 0
    for path in links:
        path.unlink()
    checkout.ok("init")


def test_another_user_reads_whose_checkout_it_is(checkout: Checkout) -> None:
    if not checkout.path.parent.stat().st_mode & 0o5:
        pytest.skip("no other user can enter it")
    checkout.ok("init")
    for words in (["up"], ["status"], ["destroy", "--yes"]):
        python = {"MEMO_PYTHON": "/usr/bin/python3"}
        with checkout.start(*words, user="nobody", **python) as process:
            said = process.communicate()[0]
        assert process.returncode == MISSING, said
        assert "runs this checkout" in said


def test_root_writes_code_itself_where_it_can(checkout: Checkout, home: Path) -> None:
    """In a closed checkout the settings are in the copy alone."""
    checkout.ok("init")
    done = checkout.run("users", "makemigrations", "--check", "--dry-run")
    if home == checkout.path:
        assert done.returncode == 0, done.stdout
        assert "No changes detected" in done.stdout
    else:
        assert done.returncode == MISSING
        assert f"no settings are in {checkout.path}" in done.stdout
        assert f"chmod -R a+rX {checkout.path}" in done.stdout


def test_destroy_leaves_nothing_but_settings(checkout: Checkout, home: Path) -> None:
    """And empty folders, where the folder around them is root's."""
    checkout.ok("init")
    assert checkout.run("destroy", "--yes", MEMO_STACK="drill").returncode == 0
    assert list((home / ".secrets/keys/private").glob("*.pem"))
    checkout.ok("destroy", "--yes")
    for path in (home / ".run", home / ".secrets"):
        assert not path.exists() or not list(path.iterdir())
    assert (home / "auth_project" / ".env").exists()
    assert checkout.family() == []
