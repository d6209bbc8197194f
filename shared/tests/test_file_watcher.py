"""Files that change while a service runs."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.file_watcher import FileWatcher


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "secret"
    path.write_text("one")
    return path


def replace(path, text):
    """As a careful writer does: in one step."""
    draft = path.with_name("draft")
    draft.write_text(text)
    draft.replace(path)


def test_a_change_is_seen_after_the_interval_and_not_before(file):
    value = FileWatcher(file.read_text, file, interval=0.2)
    assert value.get() == "one"
    replace(file, "two")
    assert value.get() == "one"
    time.sleep(0.25)
    assert value.get() == "two"


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


def test_a_file_that_cannot_be_read_leaves_the_value_and_is_logged(file, caplog):
    """But there is no value before the first load."""
    value = FileWatcher(file.read_text, file, interval=0)
    file.unlink()
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


@pytest.mark.parametrize("late", [0, 3600], ids=["just due", "after a quiet time"])
def test_while_one_thread_loads_others_use_a_value_unless_it_is_out_of_date(file, late):
    loading, go = threading.Event(), threading.Event()

    def slowly():
        if value.loaded is not None:
            loading.set()
            assert go.wait(5)
        return file.read_text()

    value = FileWatcher(slowly, file, interval=60)
    value.get()
    value.next_look = time.monotonic() - late
    replace(file, "two")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(value.get)
        assert loading.wait(5)
        second = pool.submit(value.get)
        if late:
            with pytest.raises(TimeoutError):
                second.result(timeout=0.1)
        else:
            assert second.result(timeout=5) == "one"
        go.set()
        assert first.result(5) == value.get() == "two"
        assert second.result(5) == ("two" if late else "one")


def test_at_the_start_it_is_loaded_once_by_many(file):
    loads = []
    value = FileWatcher(lambda: time.sleep(0.05) or loads.append(1), file)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: value.get(), range(8)))
    assert loads == [1]
