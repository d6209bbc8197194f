"""Keys that come and go while a service runs."""

import os
import threading
import time

import pytest
from cryptography.hazmat.primitives import serialization

from shared.keys import key_state, keyring, signing_keys
from shared.keys.keyring import FolderKeys, FolderSigner
from shared.keys.signing_keys import KeyFault


def save(folder, key, name=None):
    """Publish a key, as the ceremony does."""
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    kid = signing_keys.thumbprint(key.public_key())
    key_state.put(folder / f"{name or kid}.pem", pem, 0o444)
    return kid


@pytest.fixture
def kid(tmp_path, issuer_key):
    """A folder with one key in it."""
    return save(tmp_path, issuer_key)


@pytest.fixture
def no_interval(monkeypatch):
    monkeypatch.setattr(keyring, "SIGNER_INTERVAL", 0)


def looks(source):
    """One for each look at the folder from now on."""
    look, seen = source.files.look, []

    def counted():
        seen.append(1)
        look()

    source.files.look = counted
    return seen


# --- Verifying keys -----------------------------------------------------------------


def test_a_key_is_found_by_its_name(tmp_path, kid, issuer_key):
    source = FolderKeys(tmp_path)

    assert source.find(kid).key == issuer_key.public_key()
    assert list(source.all()) == [kid]
    assert source.find("x") is None


def test_a_revoked_key_is_gone_after_the_interval(tmp_path, kid, foreign_key):
    other = save(tmp_path, foreign_key)
    source = FolderKeys(tmp_path, interval=0.2)
    assert source.find(kid)
    (tmp_path / f"{kid}.pem").unlink()
    assert source.find(kid)

    time.sleep(0.25)

    assert source.find(kid) is None
    assert list(source.all()) == [other]


def test_by_default_that_is_within_a_second(tmp_path):
    assert FolderKeys(tmp_path).files.interval == 1


def test_a_new_key_is_in_the_set_after_the_interval(tmp_path, kid, foreign_key):
    source = FolderKeys(tmp_path, interval=0.2)
    source.all()
    other = save(tmp_path, foreign_key)
    time.sleep(0.25)

    assert set(source.all()) == {kid, other}


def test_an_unknown_name_is_looked_for_at_once(tmp_path, kid, foreign_key):
    source = FolderKeys(tmp_path, interval=60)
    source.all()

    other = save(tmp_path, foreign_key)

    assert source.find(other).key == foreign_key.public_key()


def test_a_flood_of_unknown_names_looks_ten_times_a_second(tmp_path, kid, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    source = FolderKeys(tmp_path, interval=60)
    source.all()
    seen = looks(source)
    for _ in range(1000):
        assert source.find("x") is None
        clock[0] += 0.001

    assert 9 <= len(seen) <= 11


def test_threads_that_ask_at_once_look_once(tmp_path, kid, monkeypatch):
    monkeypatch.setattr(keyring, "UNKNOWN_INTERVAL", 60)
    source = FolderKeys(tmp_path, interval=60)
    source.all()
    seen = looks(source)
    threads = [threading.Thread(target=source.find, args=["x"]) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 1


def test_nobody_waits_while_files_are_read(tmp_path, kid, foreign_key):
    """A disk that hangs holds one thread, and not every request."""
    source = FolderKeys(tmp_path, interval=0)
    source.all()
    reading, go = threading.Event(), threading.Event()

    def slowly():
        reading.set()
        assert go.wait(5)
        return {}

    source.files.load = slowly
    save(tmp_path, foreign_key)
    stuck = threading.Thread(target=source.files.get)
    stuck.start()
    assert reading.wait(5)

    assert source.find(kid)
    assert source.find("x") is None

    go.set()
    stuck.join()


def test_nothing_is_parsed_where_nothing_changed(tmp_path, kid):
    source = FolderKeys(tmp_path, interval=0)
    first = source.find(kid)
    for _ in range(5):
        assert source.find(kid) is first


@pytest.mark.parametrize("bad", ["broken", "empty", "folder", "misnamed", "small"])
def test_a_bad_file_is_left_out_and_logged_and_the_good_serve(
    tmp_path, kid, foreign_key, bad, caplog
):
    path = tmp_path / "bad.pem"
    if bad == "folder":
        path.mkdir()
    elif bad == "misnamed":
        save(tmp_path, foreign_key, "bad")
    elif bad == "small":
        small = signing_keys.generate_private_key(65537, 1024)
        path = tmp_path / f"{save(tmp_path, small)}.pem"
    else:
        path.write_text("canary" if bad == "broken" else "")

    assert list(FolderKeys(tmp_path).all()) == [kid]

    (record,) = caplog.records
    assert (record.levelname, record.event) == ("ERROR", "key_skipped")
    assert path.name in record.getMessage()
    assert "canary" not in caplog.text
    assert str(tmp_path) not in record.getMessage()


def test_it_is_logged_when_it_comes_and_not_at_every_look(tmp_path, kid, caplog):
    source = FolderKeys(tmp_path, interval=0)
    (tmp_path / "bad.pem").write_text("x")
    for _ in range(5):
        source.all()

    assert len(caplog.records) == 1


def test_a_file_that_may_not_be_read_is_left_out_until_it_may(
    tmp_path, kid, foreign_key, monkeypatch, caplog
):
    other = tmp_path / f"{save(tmp_path, foreign_key)}.pem"
    read, forbidden = signing_keys.load_public_key, [other]

    def guarded(path):
        if path in forbidden:
            raise KeyFault from PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(signing_keys, "load_public_key", guarded)
    source = FolderKeys(tmp_path, interval=0)
    assert list(source.all()) == [kid]
    assert "PermissionError" in caplog.text

    forbidden.clear()
    other.chmod(0o400)  # neither its time nor its size tells of that

    assert source.find(other.stem)


def test_trouble_that_passes_takes_no_key_away(
    tmp_path, kid, foreign_key, monkeypatch, caplog
):
    """No file handles left: that must log nobody out."""
    source = FolderKeys(tmp_path, interval=0)
    source.all()

    def fails(path):
        raise KeyFault from OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(signing_keys, "load_public_key", fails)
        other = save(tmp_path, foreign_key)
        assert source.find(kid)
        assert source.find(other) is None
    assert {record.event for record in caplog.records} == {"reload"}
    assert source.find(other)


def test_a_folder_that_was_emptied_verifies_nothing(tmp_path, kid):
    """Who removes a key must win."""
    source = FolderKeys(tmp_path, interval=0)
    source.all()
    (tmp_path / f"{kid}.pem").unlink()

    for ask in (source.all, lambda: source.find(kid)):
        with pytest.raises(KeyFault, match="no usable public key"):
            ask()


def test_a_folder_that_cannot_be_read_leaves_what_was_read(tmp_path, kid, caplog):
    folder = tmp_path / "public"
    folder.mkdir()
    (tmp_path / f"{kid}.pem").rename(folder / f"{kid}.pem")
    source = FolderKeys(folder, interval=0)
    source.all()
    folder.rename(tmp_path / "elsewhere")

    assert source.find(kid)
    assert {record.event for record in caplog.records} == {"reload"}


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_without_keys_from_the_start_there_is_a_fault_until_there_are(
    tmp_path, name, issuer_key
):
    folder = tmp_path / name
    source = FolderKeys(folder, interval=0)
    for _ in range(2):
        with pytest.raises(KeyFault):
            source.all()
    folder.mkdir(exist_ok=True)

    assert source.find(save(folder, issuer_key))


def test_a_folder_nobody_may_enter_is_a_fault_too(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("shared.file_watcher.fingerprint", refused)

    with pytest.raises(KeyFault, match="cannot be read"):
        FolderKeys(tmp_path).all()


# --- The signing key ----------------------------------------------------------------


@pytest.fixture
def pairs(tmp_path):
    """A folder with an active and a staged pair."""
    return [signing_keys.generate(tmp_path, bits=2048) for _ in range(2)]


def activate(folder, kid):
    state = key_state.load(folder)
    state.active = kid
    key_state.save(folder, state)


def test_the_signer_is_the_key_that_is_active(tmp_path, pairs, no_interval):
    private = tmp_path / "private"
    signer = FolderSigner(private)
    assert signer.get().kid == pairs[0]

    activate(private, pairs[1])

    assert signer.get().kid == pairs[1]


def test_it_follows_within_a_tenth_of_a_second(tmp_path):
    assert FolderSigner(tmp_path).files.interval == 0.1


def test_a_private_key_that_was_removed_signs_no_more(tmp_path, pairs, no_interval):
    signer = FolderSigner(tmp_path / "private")
    signer.get()
    (tmp_path / "private" / f"{pairs[0]}.pem").unlink()

    for _ in range(2):
        with pytest.raises(KeyFault, match="is not in"):
            signer.get()


def test_a_state_that_cannot_be_read_leaves_the_signer(
    tmp_path, pairs, no_interval, caplog
):
    signer = FolderSigner(tmp_path / "private")
    signer.get()
    (tmp_path / "private" / "keyring.json").write_text("{")

    assert signer.get().kid == pairs[0]
    assert {record.event for record in caplog.records} == {"reload"}


# --- Of this process, by its settings -----------------------------------------------


@pytest.fixture
def folders(settings, tmp_path):
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path / "public"
    settings.JWT_PRIVATE_KEYS_DIR = tmp_path / "private"


def test_both_kinds_come_from_the_folders_of_the_settings(folders, pairs):
    assert keyring.signing_key().kid == pairs[0]
    assert set(keyring.verifying_keys().all()) == set(pairs)
    assert keyring.verifying_keys() is keyring.verifying_keys()


def test_an_address_of_a_key_set_counts_more_than_a_folder(
    folders, settings, monkeypatch
):
    settings.JWT_JWKS_URL = "https://memo.example/.well-known/jwks.json"
    monkeypatch.setattr(keyring, "_remote_keys", lambda url: url)

    assert keyring.verifying_keys() == settings.JWT_JWKS_URL


def test_nothing_is_signed_that_nobody_can_verify(folders, tmp_path, pairs):
    """However that came about: by hand, by a copy of half a folder."""
    (tmp_path / "public" / f"{pairs[0]}.pem").unlink()

    with pytest.raises(KeyFault, match="public half"):
        keyring.signing_key()


def test_a_service_without_private_keys_signs_nothing(settings):
    del settings.JWT_PRIVATE_KEYS_DIR

    with pytest.raises(KeyFault, match="signs nothing"):
        keyring.signing_key()


def test_a_disk_is_not_asked_for_every_token(folders, pairs, monkeypatch):
    keyring.verifying_keys().all()
    monkeypatch.setattr(os, "stat", lambda path: pytest.fail("the disk was asked"))
    for _ in range(10):
        assert keyring.verifying_keys().find(pairs[0])
