"""Several processes write a log and rotate it: no line is lost or cut (LOG-04)."""

import json
import logging
import os
import runpy
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared import log_file
from shared.log_file import SharedFileHandler

ROOT = Path(__file__).resolve().parents[2]
PROCESSES, LINES = 4, 200
# Each forks once after it has opened the file, as gunicorn does.
WRITER = """
import logging, os, sys
from shared import log_file
from shared.structured_logging import JSONFormatter
log_file.LONG = 8_000
handler = log_file.SharedFileHandler(sys.argv[1], 1000)
handler.setFormatter(JSONFormatter("test"))
logger = logging.getLogger("memo.audit")
logger.addHandler(handler)
def write(number):
    text = "y" * (number * 7 % 12_000)
    logger.warning(text, extra={"n": number, "by": os.getpid()})
write(0)
child = os.fork()
for number in range(1, int(sys.argv[2])):
    write(number)
child and os.waitpid(child, 0)
"""


def files(path):
    """With the older ones, the oldest first. The last write may have renamed it."""
    older = sorted(path.parent.glob(f"{path.name}.*"), key=lambda x: -int(x.suffix[1:]))
    return [*older, path] if path.exists() else older


def written(path):
    return [
        json.loads(x) for file in files(path) for x in file.read_text().splitlines()
    ]


def test_processes_that_write_at_once_lose_no_line(tmp_path):
    """Also lines that are longer than the buffer of a stream."""
    path = tmp_path / "audit.log"
    command = [sys.executable, "-c", WRITER, str(path), str(LINES)]
    writers = [subprocess.Popen(command, cwd=ROOT) for _ in range(PROCESSES)]
    assert [each.wait(60) for each in writers] == [0] * PROCESSES

    lines = written(path)
    found = {(line["by"], line["n"]) for line in lines}
    assert len(found) == len(lines) == PROCESSES * (2 * LINES - 1)
    assert len(files(path)) > 50


def test_a_writer_that_is_killed_leaves_the_file_to_the_others(tmp_path):
    """Its lock ends with it. Its last line may be half a line."""
    path = tmp_path / "audit.log"
    command = [sys.executable, "-c", WRITER, str(path), "1000000"]
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as writer:
        while not path.with_name("audit.log.3").exists():
            time.sleep(0.01)
        os.killpg(writer.pid, signal.SIGKILL)
    count = len(files(path))
    done = subprocess.run([*command[:-1], "100"], cwd=ROOT, timeout=30)
    assert done.returncode == 0
    assert len(files(path)) > count
    assert json.loads(files(path)[-1].read_text().splitlines()[-1])["n"] == 99


def test_so_many_older_files_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(log_file, "LONG", 3)
    path = tmp_path / "audit.log"
    with closing(SharedFileHandler(str(path), 3)) as handler:
        for n in range(10):
            handler.emit(logging.makeLogRecord({"msg": f"line {n}"}))
    kept = [file.read_text() for file in files(path)]
    assert kept == ["line 7\n", "line 8\n", "line 9\n"]
    assert path.with_name("audit.log.1").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_rotated_or_opened_fails_no_request(
    tmp_path, monkeypatch, capsys
):
    """A folder where the service may write the file and make no other, for example."""
    monkeypatch.setattr(log_file, "LONG", 3)
    path = tmp_path / "audit.log"
    path.with_name("audit.log.1").mkdir()  # So no file can get this name.
    with closing(SharedFileHandler(str(path), 1)) as handler:
        for n in range(2):
            handler.emit(logging.makeLogRecord({"msg": f"line {n}"}))
    assert path.read_text() == "line 0\nline 1\n"
    assert "IsADirectoryError" in capsys.readouterr().err

    folder = tmp_path / "folder"
    with closing(SharedFileHandler(str(folder / "audit.log"), 1)) as handler:
        handler.emit(logging.makeLogRecord({"msg": "lost"}))
        folder.mkdir()
        handler.emit(logging.makeLogRecord({"msg": "x"}))
    assert (folder / "audit.log").read_text() == "x\n"


def test_a_log_that_cannot_be_opened_stops_no_worker(tmp_path, monkeypatch):
    """gunicorn would end with all workers, and again at every start."""
    monkeypatch.setenv("LOG_FILE", str(tmp_path / "removed" / "auth.log"))
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")  # which it would set for good
    hooks = runpy.run_path(str(ROOT / "deploy" / "gunicorn.conf.py"))
    worker = SimpleNamespace()
    hooks["pre_fork"](None, worker)
    assert worker.slot is None


@pytest.mark.parametrize("act", ["rename", "remove"])
def test_what_another_program_rotates_is_opened_again(tmp_path, act):
    """logrotate, or an operator."""
    path = tmp_path / "audit.log"
    with closing(SharedFileHandler(str(path), 3)) as handler:
        handler.emit(logging.makeLogRecord({"msg": "before"}))
        path.rename(tmp_path / "moved") if act == "rename" else path.unlink()
        handler.emit(logging.makeLogRecord({"msg": "after"}))
    assert path.read_text() == "after\n"
