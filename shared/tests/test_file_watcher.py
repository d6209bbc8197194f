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


def test_nothing_is_loaded_where_nothing_changed(file):
    loads = []
    value = FileWatcher(lambda: loads.append(1), file, interval=0)
    for _ in range(5):
        value.get()
    assert len(loads) == 1


def test_files_of_a_folder_come_go_and_change(tmp_path):
    def names():
        return sorted(p.read_text() for p in tmp_path.iterdir())

    value = FileWatcher(names, tmp_path, interval=0)
    assert value.get() == []
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    assert value.get() == ["1", "2"]
    replace(tmp_path / "a", "3")  # the same size, within the same tick
    assert value.get() == ["2", "3"]
    (tmp_path / "b").unlink()
    assert value.get() == ["3"]


def test_what_cannot_be_read_leaves_the_value_and_is_logged(file, caplog):
    value = FileWatcher(file.read_text, file, interval=0)
    value.get()
    file.unlink()
    assert value.get() == "one"
    assert [record.event for record in caplog.records] == ["reload"]
    assert "FileNotFoundError" in caplog.text
    file.write_text("two")
    assert value.get() == "two"


def test_the_first_load_raises(file):
    file.unlink()
    value = FileWatcher(file.read_text, file)
    with pytest.raises(FileNotFoundError):
        value.get()
    file.write_text("late")
    assert value.get() == "late"


def test_nobody_waits_while_another_loads(file):
    loading, go = threading.Event(), threading.Event()

    def slowly():
        if value.loaded is not None:
            loading.set()
            assert go.wait(5)
        return file.read_text()

    value = FileWatcher(slowly, file, interval=60)
    value.get()
    value.next_look = time.monotonic()
    replace(file, "two")
    other = threading.Thread(target=value.get)
    other.start()
    assert loading.wait(5)
    assert value.get() == "one"
    go.set()
    other.join()
    assert value.get() == "two"


def test_after_a_quiet_time_nobody_gets_what_is_out_of_date(file):
    """Two that come at once, the first for an hour: neither may use the old key."""
    loading, go = threading.Event(), threading.Event()

    def slowly():
        if value.loaded is not None:
            loading.set()
            assert go.wait(5)
        return file.read_text()

    value = FileWatcher(slowly, file, interval=60)
    value.get()
    value.next_look = time.monotonic() - 3600
    replace(file, "two")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(value.get)
        assert loading.wait(5)
        second = pool.submit(value.get)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.1)
        go.set()
        assert (first.result(5), second.result(5)) == ("two", "two")


def test_at_the_start_it_is_loaded_once_by_many(file):
    loads = []

    def slowly():
        time.sleep(0.05)
        loads.append(1)
        return "one"

    value = FileWatcher(slowly, file)
    threads = [threading.Thread(target=value.get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
