"""The state of a key folder: read as it was written, or not at all."""

import json
import threading
from datetime import UTC, datetime

import pytest

from shared.keys import key_files, key_store
from shared.keys.key_store import KeyFault, KeyStore, KeyTimestamps, locked_key_store

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A store in empty folders, at noon."""
    monkeypatch.setattr(key_store, "clock", lambda: NOON)
    for half in ("public", "private"):
        (tmp_path / half).mkdir()

    def made(active, **keys):
        return KeyStore(tmp_path / "public", tmp_path / "private", active, keys)

    return made


def test_it_is_read_as_it_was_written(make, tmp_path):
    retired = KeyTimestamps(NOON, None, NOON, NOON)
    store = make("a", a=KeyTimestamps(NOON, NOON), b=retired)

    store.save()

    assert key_store.load(store.public, store.private) == store
    assert [path.name for path in store.private.iterdir()] == ["keyring.json"]
    written = json.loads((store.private / "keyring.json").read_text())
    assert written["active"] == "a"
    assert written["keys"]["b"] == {
        "staged_at": "2030-01-02T12:00:00+00:00",
        "activated_at": None,
        "superseded_at": "2030-01-02T12:00:00+00:00",
        "retired_at": "2030-01-02T12:00:00+00:00",
    }


def test_the_key_that_takes_over_supersedes_the_one_before(make):
    store = make("a", a=KeyTimestamps(NOON, NOON), b=KeyTimestamps(NOON))

    store.activate("b")

    keys = {"a": KeyTimestamps(NOON, NOON, NOON), "b": KeyTimestamps(NOON, NOON)}
    assert key_store.load_state(store.private) == ("b", keys)


def test_a_superseded_key_may_come_back(make):
    store = make("a", a=KeyTimestamps(), b=KeyTimestamps(NOON, NOON, NOON))

    store.activate("b")

    assert store.keys["b"].superseded_at is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "5", '{"active": 5}', '{"keys": []}'),
        '{"keys": {"a": 5}}',
        '{"keys": {"a": {"born_at": null}}}',
        '{"keys": {"a": {"staged_at": 5}}}',
        '{"keys": {"a": {"staged_at": "noon"}}}',
    ],
)
def test_anything_else_is_a_fault_that_names_the_file(tmp_path, text):
    (tmp_path / "keyring.json").write_text(text)

    with pytest.raises(KeyFault, match=r"keyring\.json is not what"):
        key_store.load_state(tmp_path)


def test_a_write_that_fails_leaves_the_last_state(make, monkeypatch):
    make("a", a=KeyTimestamps()).save()

    def full(handle):
        raise OSError(28, "No space left on device")

    other = make("b", b=KeyTimestamps())
    with monkeypatch.context() as patch:
        patch.setattr(key_files.os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            other.save()

    assert key_store.load_state(other.private)[0] == "a"
    other.save()  # the draft that was left is no obstacle
    assert key_store.load_state(other.private)[0] == "b"


def test_changes_of_keys_come_one_after_the_other(tmp_path):
    folders, order = (tmp_path / "public", tmp_path / "private"), []

    def second():
        with locked_key_store(*folders):
            order.append("second")

    other = threading.Thread(target=second)
    with locked_key_store(*folders):
        other.start()
        other.join(0.2)
        order.append("first")
    other.join(5)

    assert order == ["first", "second"]
