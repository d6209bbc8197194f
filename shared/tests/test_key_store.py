"""The state of the key folders, which is what their files say."""

import pytest

from shared.keys import key_store
from shared.keys.key_store import KeyFault, KeyStore, active_kid, locked_key_store


@pytest.fixture
def store(tmp_path):
    """Two pairs, of which the first signs."""
    store = KeyStore(tmp_path / "public", tmp_path / "private")
    for folder in (store.public, store.private):
        folder.mkdir()
        for kid in ("first-kid", "other-kid"):
            (folder / f"{kid}.pem").touch()
    (store.private / "active").write_text("first-kid")
    return store


def stages(store):
    return {kid: store.stage(kid) for kid in store.kids()}


def test_each_key_has_a_stage_and_a_superseded_one_may_come_back(store):
    assert stages(store) == {"first-kid": "active", "other-kid": "staged"}
    store.activate("other-kid")
    assert stages(store) == {"first-kid": "superseded", "other-kid": "active"}
    store.activate("first-kid")
    assert stages(store) == {"first-kid": "active", "other-kid": "superseded"}
    store.private_half("other-kid").unlink()
    assert stages(store) == {"first-kid": "active", "other-kid": "retired"}
    store.remove("other-kid")
    assert stages(store) == {"first-kid": "active"}
    assert {path.name for path in store.private.iterdir()} == {
        "first-kid.pem",
        "first-kid.superseded",
        "active",
    }


def test_where_none_was_known_to_sign_each_may_have(store):
    (store.private / "active").unlink()
    store.activate("other-kid")
    assert stages(store) == {"first-kid": "superseded", "other-kid": "active"}


@pytest.mark.parametrize("text", ["", "first", "x" * 43, "../../etc", "a\0bcdefg"])
def test_a_key_is_named_by_six_characters_that_no_other_key_begins_with(store, text):
    assert store.resolve_kid("first-") == "first-kid"
    (store.public / "first-born.pem").touch()
    for bad in (text, "first-"):
        with pytest.raises(KeyFault, match="does not name one key"):
            store.resolve_kid(bad)


def test_a_state_that_cannot_be_read_is_a_fault(store):
    (store.private / "active").unlink()
    (store.private / "active").mkdir()
    with pytest.raises(KeyFault, match="active cannot be read"):
        active_kid(store.private)


def test_a_write_that_fails_leaves_the_last_state(store, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(key_store.os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            key_store.put(store.private / "active", b"other-kid")
    assert store.active == "first-kid"
    with locked_key_store(store.public, store.private) as same:
        same.activate("other-kid")  # the draft that was left is no obstacle
    assert store.active == "other-kid"
