"""Files that change while a service runs."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.file_watcher import FileWatcher


def replace(path, content):
    """As a careful writer does: in one step."""
    draft = path.with_name("draft")
    draft.write_bytes(content if isinstance(content, bytes) else content.encode())
    draft.replace(path)


def test_a_change_is_seen_after_the_interval_and_not_before(tmp_path):
    """Many threads load it once, at the start and after a change."""
    file, loads = tmp_path / "secret", []
    file.write_text("one")

    def load():
        time.sleep(0.05)
        loads.append(file.read_text())
        return loads[-1]

    value = FileWatcher(load, file, interval=1)
    with ThreadPoolExecutor(8) as pool:
        for text in ("one", "two"):
            assert set(pool.map(lambda _: value.get(), range(8))) == {text}
            replace(file, "two")
            assert value.get() == text
            time.sleep(1.05)
    assert loads == ["one", "two"]


def test_files_of_a_folder_come_go_and_change(tmp_path):
    loads = []

    def names():
        loads.append(1)
        return sorted(p.read_text() for p in tmp_path.iterdir())

    value = FileWatcher(names, tmp_path, interval=0)
    assert value.get() == value.get() == []
    assert len(loads) == 1
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    assert value.get() == ["1", "2"]
    replace(tmp_path / "a", "3")  # the same size, within the same tick
    assert value.get() == ["2", "3"]
    (tmp_path / "b").unlink()
    assert value.get() == ["3"]


def test_a_file_that_cannot_be_read_leaves_the_value_and_is_logged(tmp_path, caplog):
    """But there is no value before the first load."""
    file = tmp_path / "secret"
    value = FileWatcher(file.read_text, file, interval=0)
    with pytest.raises(FileNotFoundError):
        value.get()
    file.write_text("one")
    assert value.get() == "one"
    file.unlink()
    assert value.get() == "one"
    assert [record.event for record in caplog.records] == ["reload"]
    assert "FileNotFoundError" in caplog.text
    file.write_text("two")
    assert value.get() == "two"
