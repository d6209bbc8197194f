"""Small things that larger ones rest on: files, logs, processes, words."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.native import files, logfiles, status, strays, walk
from deploy.native.layout import Layout
from deploy.native.problems import Problem
from deploy.native.programs import base_env


def test_a_private_file_is_replaced_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write_private(path, "one")
    files.write_private(path, "two")
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_a_folder_of_others_is_written_in_place(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a long first text")
    tmp_path.chmod(0o500)
    try:
        files.write_private(path, "short")
    finally:
        tmp_path.chmod(0o700)
    assert path.read_text() == "short"


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_a_file_cut_short_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    assert files.read_json(path) == {}


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not files.is_locked(path)
    held = files.try_lock(path)
    assert held is not None
    assert files.is_locked(path)
    assert files.try_lock(path) is None
    os.close(held)
    assert not files.is_locked(path)


def test_a_large_log_is_rotated_under_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    with logfiles.open_for_append(path) as log:
        for number in range(5):
            log.write(b"%d" % number * 20)
            logfiles.rotate(tmp_path, largest=10)
        log.write(b"now")
    assert path.read_bytes() == b"now"  # and no gap of NULs before it
    kept = [tmp_path / f"x.log.{number}" for number in (1, 2, 3)]
    assert [each.read_bytes()[:1] for each in kept] == [b"4", b"3", b"2"]
    assert sorted(tmp_path.iterdir()) == [path, *kept]


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("small")
    logfiles.rotate(tmp_path, largest=10)
    assert [path.name for path in tmp_path.iterdir()] == ["x.log"]


def sleeper(layout: Layout, cwd: Path, **env: str) -> subprocess.Popen[bytes]:
    cwd.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        cwd=cwd,
        env=env,
        start_new_session=True,
    )


def test_strays_are_found_by_folder_or_mark_and_no_others(layout: Layout) -> None:
    others = layout.state / "stacks" / "other"
    found = [
        sleeper(layout, layout.work("auth")),
        sleeper(layout, layout.state / "postgres" / "auth" / "15" / "data"),
        sleeper(layout, layout.root, MEMO_STATE=str(layout.state)),
    ]
    left = [
        sleeper(layout, layout.root),
        sleeper(layout, others / "work" / "auth"),
        sleeper(layout, layout.root, MEMO_STATE=str(others)),
    ]
    try:
        time.sleep(0.1)
        assert set(strays.sweep(layout)) == {process.pid for process in found}
        assert all(strays.is_alive(process.pid) for process in left)
        assert not any(strays.is_alive(process.pid) for process in found)
    finally:
        for process in [*found, *left]:
            process.kill()
            process.wait()


def test_a_zombie_is_not_alive() -> None:
    process = subprocess.Popen(["/bin/true"])
    assert strays.wait_until(lambda: not strays.is_alive(process.pid), seconds=5)
    assert strays.read(process.pid) is not None
    process.wait()


def test_programs_get_nothing_of_the_callers_environment(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGPORT", "PYTHONPATH", "http_proxy", "LD_PRELOAD"):
        monkeypatch.setenv(name, "x")
    assert not {"PGPORT", "PYTHONPATH", "http_proxy"} & base_env(layout).keys()


@pytest.mark.parametrize(
    ("words", "parsed"),
    [
        ([], (None, False)),
        (["-f"], (None, True)),
        (["auth"], ("auth", False)),
        (["auth", "-f"], ("auth", True)),
        (["--follow", "auth"], ("auth", True)),
    ],
)
def test_arguments_of_logs(words: list[str], parsed: tuple[str | None, bool]) -> None:
    assert status.parse_logs_arguments(words) == parsed


@pytest.mark.parametrize("words", [["a", "b"], ["--tail"]])
def test_odd_arguments_of_logs_are_refused(words: list[str]) -> None:
    with pytest.raises(Problem, match="Usage"):
        status.parse_logs_arguments(words)


def test_the_demo_shows_no_whole_token_or_key() -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
    key = "k3y" * 20
    uuid = "701fd0ec-feb2-4c1e-9d7a-0123456789ab"
    text = walk._shortened(f"Authorization: Bearer {token} X-Key: {key} id: {uuid}")
    assert token not in text
    assert key not in text
    assert key[:4] not in text
    assert text.startswith("Authorization: Bearer eyJ")
    assert text.endswith(uuid)


def test_the_demo_shows_nothing_of_an_internal_key_however_short() -> None:
    shown = walk._as_curl("POST", "http://x/", {"X-Internal-Api-Key": "k3y"}, None)
    assert "-H 'X-Internal-Api-Key: ...'" in shown
