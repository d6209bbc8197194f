"""Keys that come and go while a service runs."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import serialization

from shared import file_watcher
from shared.keys import key_files, key_store, keyring, signing_keys
from shared.keys.keyring import FolderKeys
from shared.keys.signing_keys import KeyFault


def save(folder, key, name=None):
    """Publish a key, as `keys stage` does."""
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    kid = signing_keys.thumbprint(key.public_key())
    key_files.put(folder / f"{name or kid}.pem", pem, 0o444)
    return kid


@pytest.fixture
def kid(tmp_path, issuer_key):
    """A folder with one key in it."""
    return save(tmp_path, issuer_key)


# --- Verifying keys -----------------------------------------------------------------


def test_a_key_is_found_by_its_name(tmp_path, kid, issuer_key):
    source = FolderKeys(tmp_path)

    assert source.find(kid).key == issuer_key.public_key()
    assert list(source.all()) == [kid]
    assert source.find("x") is None


def test_the_folder_is_followed_after_the_interval(tmp_path, kid, foreign_key):
    source = FolderKeys(tmp_path, interval=0.2)
    assert source.find(kid)
    other = save(tmp_path, foreign_key)
    (tmp_path / f"{kid}.pem").unlink()
    assert source.find(kid)

    time.sleep(0.25)

    assert source.find(kid) is None
    assert list(source.all()) == [other]


def test_by_default_that_is_within_a_second(tmp_path):
    assert FolderKeys(tmp_path).files.interval == 1


def test_unknown_names_cost_no_look_at_the_disk(tmp_path, kid, monkeypatch):
    """Anybody can invent them."""
    source = FolderKeys(tmp_path, interval=60)
    source.all()
    monkeypatch.setattr(
        file_watcher, "fingerprint", lambda path: pytest.fail("the disk was asked")
    )
    for number in range(1000):
        assert source.find(f"x{number}") is None
        assert source.find(kid)


def test_nothing_is_parsed_if_nothing_changed(tmp_path, kid):
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
    source = FolderKeys(tmp_path, interval=0)

    for _ in range(5):
        assert list(source.all()) == [kid]

    (record,) = caplog.records  # when the file comes, and not at every look
    assert (record.levelname, record.event) == ("ERROR", "key_skipped")
    assert path.name in record.getMessage()
    assert "canary" not in caplog.text
    assert str(tmp_path) not in record.getMessage()


def failing(monkeypatch, *paths, error):
    """These files cannot be read."""
    load = signing_keys.load_public_key

    def guarded(path):
        if path in paths:
            raise KeyFault from error
        return load(path)

    monkeypatch.setattr(signing_keys, "load_public_key", guarded)


def test_a_file_that_may_not_be_read_is_left_out_until_it_may(
    tmp_path, kid, foreign_key, monkeypatch, caplog
):
    other = tmp_path / f"{save(tmp_path, foreign_key)}.pem"
    source = FolderKeys(tmp_path, interval=0)
    with monkeypatch.context() as patch:
        failing(patch, other, error=PermissionError(13, "Permission denied"))
        assert list(source.all()) == [kid]
        assert "PermissionError" in caplog.text

    other.chmod(0o400)  # neither its time nor its size shows that

    assert source.find(other.stem)


def test_a_file_that_is_removed_meanwhile_is_left_out_in_silence(
    tmp_path, kid, foreign_key, monkeypatch, caplog
):
    other = tmp_path / f"{save(tmp_path, foreign_key)}.pem"
    failing(monkeypatch, other, error=FileNotFoundError())

    assert list(FolderKeys(tmp_path).all()) == [kid]
    assert caplog.records == []


def test_trouble_that_passes_takes_no_key_away(
    tmp_path, kid, foreign_key, monkeypatch, caplog
):
    """No file handles left: that must log no user out."""
    source = FolderKeys(tmp_path, interval=0)
    source.all()
    other = save(tmp_path, foreign_key)
    with monkeypatch.context() as patch:
        paths = tmp_path.iterdir()
        failing(patch, *paths, error=OSError(24, "Too many open files"))
        assert source.find(kid)
        assert source.find(other) is None

    assert {record.event for record in caplog.records} == {"reload"}
    assert source.find(other)


def test_a_folder_that_was_emptied_verifies_nothing(tmp_path, kid):
    """Removing a key must always take effect."""
    source = FolderKeys(tmp_path, interval=0)
    source.all()
    (tmp_path / f"{kid}.pem").unlink()

    for ask in (source.all, lambda: source.find(kid)):
        with pytest.raises(KeyFault, match="no usable public key"):
            ask()


def test_if_a_folder_cannot_be_read_the_last_keys_stay(tmp_path, kid, caplog):
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


# --- The keys of this process, by its settings --------------------------------------


@pytest.fixture
def pairs(settings, tmp_path):
    """The folders of this process, with an active and a staged pair."""
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path / "public"
    settings.JWT_PRIVATE_KEYS_DIR = tmp_path / "private"
    return [signing_keys.generate(tmp_path, bits=2048) for _ in range(2)]


@pytest.fixture
def no_interval(monkeypatch):
    monkeypatch.setattr(keyring, "SIGNER_INTERVAL", 0)


def test_both_kinds_come_from_the_folders_of_the_settings(pairs):
    assert keyring.signing_key().kid == pairs[0]
    assert set(keyring.verifying_keys().all()) == set(pairs)
    assert keyring.verifying_keys() is keyring.verifying_keys()


def test_the_signer_follows_the_state_within_a_tenth_of_a_second(pairs, tmp_path):
    assert keyring.signing_key().kid == pairs[0]
    store = key_store.load(tmp_path / "public", tmp_path / "private")

    store.activate(pairs[1])

    time.sleep(0.15)
    assert keyring.signing_key().kid == pairs[1]


def test_a_private_key_that_was_removed_no_longer_signs(pairs, tmp_path, no_interval):
    keyring.signing_key()
    (tmp_path / "private" / f"{pairs[0]}.pem").unlink()

    for _ in range(2):
        with pytest.raises(KeyFault, match="is not in"):
            keyring.signing_key()


def test_a_state_that_cannot_be_read_leaves_the_signer(
    pairs, tmp_path, no_interval, caplog
):
    keyring.signing_key()
    (tmp_path / "private" / "keyring.json").write_text("{")

    assert keyring.signing_key().kid == pairs[0]
    assert {record.event for record in caplog.records} == {"reload"}


def test_a_key_that_no_service_could_verify_signs_nothing(pairs, tmp_path):
    """However that came about: by hand, by a copy of half a folder."""
    (tmp_path / "public" / f"{pairs[0]}.pem").unlink()

    with pytest.raises(KeyFault, match="public half"):
        keyring.signing_key()


def test_a_service_without_private_keys_signs_nothing(settings):
    del settings.JWT_PRIVATE_KEYS_DIR

    with pytest.raises(KeyFault, match="signs nothing"):
        keyring.signing_key()


def test_the_url_of_a_key_set_counts_more_than_a_folder(pairs, settings):
    settings.JWT_JWKS_URL = "https://memo.example/.well-known/jwks.json"

    assert keyring.verifying_keys().uri == settings.JWT_JWKS_URL


def test_threads_that_come_at_once_share_one_key_set(settings, monkeypatch):
    """Otherwise each would fetch it for itself."""
    settings.JWT_JWKS_URL = "https://memo.example/at-once"
    start, made = threading.Barrier(8), []
    client = keyring.JWKSetClient.__init__

    def slowly(self, url):
        time.sleep(0.05)
        made.append(url)
        client(self, url)

    def first(_):
        start.wait()
        return keyring.verifying_keys()

    monkeypatch.setattr(keyring.JWKSetClient, "__init__", slowly)
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(first, range(8)))) == len(made) == 1
