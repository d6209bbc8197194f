"""What is written about keys: read as it was written, or not at all."""

import json
import threading
from datetime import UTC, datetime

import pytest

from shared.keys import key_state
from shared.keys.key_state import KeyFault, State, Times

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


def test_it_is_read_as_it_was_written(tmp_path):
    state = State("-a", {"-a": Times(NOON, NOON), "b": Times(NOON, None, NOON, NOON)})

    key_state.save(tmp_path, state)

    assert key_state.load(tmp_path) == state
    assert [path.name for path in tmp_path.iterdir()] == ["keyring.json"]
    written = json.loads((tmp_path / "keyring.json").read_text())
    assert written["keys"]["-a"]["staged_at"] == "2030-01-02T12:00:00+00:00"


def test_who_takes_over_supersedes_the_one_before():
    state = State("a", {"a": Times(NOON, NOON), "b": Times(NOON)})

    state.activate("b", NOON)

    assert state.active == "b"
    assert state.keys == {"a": Times(NOON, NOON, NOON), "b": Times(NOON, NOON)}


def test_a_superseded_key_may_come_back():
    state = State("a", {"a": Times(NOON, NOON), "b": Times(NOON, NOON, NOON)})

    state.activate("b", NOON)

    assert state.keys["b"].superseded_at is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "5", '{"active": 5}', '{"keys": []}'),
        '{"keys": {"a": 5}}',
        '{"keys": {"a": {"born_at": null}}}',
        '{"keys": {"a": {"staged_at": 5}}}',
        '{"keys": {"a": {"staged_at": "noon"}}}',
        '{"keys": {"a": {"staged_at": "2030-01-02T12:00:00"}}}',
    ],
)
def test_anything_else_is_a_fault_that_names_the_file(tmp_path, text):
    (tmp_path / "keyring.json").write_text(text)

    with pytest.raises(KeyFault, match=r"keyring\.json is not what"):
        key_state.load(tmp_path)


def test_a_write_that_fails_leaves_what_there_was(tmp_path, monkeypatch):
    key_state.save(tmp_path, State("a", {}))

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(key_state.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        key_state.save(tmp_path, State("b", {}))
    monkeypatch.undo()

    assert key_state.load(tmp_path).active == "a"
    key_state.save(tmp_path, State("b", {}))  # the draft that was left is not minded
    assert key_state.load(tmp_path).active == "b"


def test_who_changes_keys_is_alone(tmp_path):
    order = []

    def second():
        with key_state.locked(tmp_path):
            order.append("second")

    other = threading.Thread(target=second)
    with key_state.locked(tmp_path):
        other.start()
        other.join(0.2)
        order.append("first")
    other.join(5)

    assert order == ["first", "second"]
