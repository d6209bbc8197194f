"""Keys that come and go while a service runs."""

import shutil
import time

import pytest

from shared.keys import key_store, keyring, signing_keys
from shared.keys.keyring import FolderKeys
from shared.keys.signing_keys import KeyFault

# Of an algorithm that `cryptography` does not know, as one changed byte can make it.
UNSUPPORTED = """\
-----BEGIN PUBLIC KEY-----
MA0wBgYEKgMEBQMDAAQE
-----END PUBLIC KEY-----
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Key folders, and the kids of an active and a staged pair in them."""
    folder = tmp_path_factory.mktemp("keys")
    return folder, [signing_keys.generate(folder, bits=2048) for _ in range(2)]


@pytest.fixture
def keys(made, tmp_path, settings):
    """The folders of this process."""
    keys = shutil.copytree(made[0], tmp_path / "keys")
    settings.JWT_PUBLIC_KEYS_DIR = keys / "public"
    settings.JWT_PRIVATE_KEYS_DIR = keys / "private"
    return keys


@pytest.fixture
def kids(made):
    return made[1]


@pytest.fixture
def pems(keys, kids):
    """The public halves, of which the second is not there yet."""
    pems = [keys / "public" / f"{kid}.pem" for kid in kids]
    pems[1].rename(keys / "other")
    return pems


@pytest.fixture
def source(keys, pems, kids):
    """The keys of the folder, which looks at it each time, and has looked."""
    source = FolderKeys(keys / "public", interval=0)
    assert list(source.all()) == kids[:1]
    return source


def test_the_folder_is_followed_after_a_second(keys, pems, kids, source):
    assert FolderKeys(keys).files.interval == 1
    assert source.find(kids[0]).key_id == kids[0]
    (keys / "other").rename(pems[1])
    pems[0].unlink()
    assert source.find(kids[0]) is None
    assert list(source.all()) == kids[1:]
    pems[1].unlink()  # removing a key must always take effect
    with pytest.raises(KeyFault, match="no usable public key"):
        source.find(kids[1])


@pytest.mark.parametrize("bad", ["canary", "", UNSUPPORTED, "folder", "misnamed"])
def test_a_bad_file_is_left_out_and_logged_and_the_good_serve(
    keys, kids, source, bad, caplog
):
    path = keys / "public" / "bad.pem"
    if bad == "folder":
        path.mkdir()
    elif bad == "misnamed":
        (keys / "other").rename(path)
    else:
        path.write_text(bad)
    for _ in range(5):
        assert list(source.all()) == kids[:1]

    (record,) = caplog.records  # when the file comes, and not at every look
    assert (record.levelname, record.event) == ("ERROR", "key_skipped")
    assert path.name in record.getMessage()
    assert "canary" not in caplog.text
    assert str(keys) not in record.getMessage()


@pytest.mark.parametrize(
    ("error", "all_fail", "event"),
    [
        (PermissionError(13, "Permission denied"), False, {"key_skipped"}),
        (FileNotFoundError(), False, set()),  # removed since the folder was listed
        # No file handles left: that must log no user out.
        (OSError(24, "Too many open files"), True, {"reload"}),
    ],
)
def test_trouble_with_files_takes_no_good_key_away(
    keys, pems, kids, source, monkeypatch, caplog, error, all_fail, event
):
    (keys / "other").rename(pems[1])
    load = signing_keys.load_public_key

    def fail(path):
        if all_fail or path == pems[1]:
            raise KeyFault from error
        return load(path)

    with monkeypatch.context() as patch:
        patch.setattr(signing_keys, "load_public_key", fail)
        assert list(source.all()) == kids[:1]
    assert {record.event for record in caplog.records} == event
    pems[1].chmod(0o400)  # neither its time nor its size shows that it can be read
    assert source.find(kids[1])


@pytest.fixture
def signs(kids, keys):
    """The kid that signs a tenth of a second after a change."""
    assert keyring.signing_key().kid == kids[0]

    def kid():
        time.sleep(0.15)
        return keyring.signing_key().kid

    return kid


def test_verifying_keys_come_from_the_folder_or_the_url_of_the_settings(
    keys, kids, settings
):
    assert set(keyring.verifying_keys().all()) == set(kids)
    settings.JWT_JWKS_URL = "https://memo.example/.well-known/jwks.json"
    assert keyring.verifying_keys().uri == settings.JWT_JWKS_URL


def test_the_signer_follows_the_state_within_a_tenth_of_a_second(keys, kids, signs):
    key_store.KeyStore(keys / "public", keys / "private").activate(kids[1])
    assert signs() == kids[1]
    (keys / "private" / f"{kids[1]}.pem").unlink()
    for _ in range(2):
        with pytest.raises(KeyFault, match="is active"):
            signs()


def test_a_secret_that_kubernetes_mounts_is_followed(keys, kids, tmp_path, settings):
    """The kubelet makes a new folder, points `..data` at it, and then adds or removes
    the names that lead through it."""
    mount = tmp_path / "mount"
    settings.JWT_PUBLIC_KEYS_DIR = mount / "public"
    settings.JWT_PRIVATE_KEYS_DIR = mount / "private"
    project(keys, mount)
    assert keyring.signing_key().kid == kids[0]

    key_store.KeyStore(keys / "public", keys / "private").activate(kids[1])
    key_store.KeyStore(keys / "public", keys / "private").remove(kids[0])
    project(keys, mount)
    time.sleep(1.1)

    assert keyring.signing_key().kid == kids[1]
    assert list(keyring.verifying_keys().all()) == kids[1:]


def project(keys, mount):
    for folder in ("public", "private"):
        place = mount / folder
        version = f"..{time.time_ns()}"
        shutil.copytree(keys / folder, place / version)
        (place / "..data_tmp").symlink_to(version)
        (place / "..data_tmp").rename(place / "..data")
        for name in (p.name for p in (place / version).iterdir()):
            if not (place / name).is_symlink():
                (place / name).symlink_to(f"..data/{name}")
        for name in (p for p in place.glob("[!.]*") if not p.exists()):
            name.unlink()


def test_what_cannot_be_read_leaves_the_last_keys(keys, kids, source, signs, caplog):
    (keys / "public").rename(keys / "elsewhere")
    (keys / "private" / "active").unlink()
    (keys / "private" / "active").mkdir()

    assert source.find(kids[0])
    assert signs() == kids[0]
    assert {record.event for record in caplog.records} == {"reload"}


def test_a_key_that_no_service_could_verify_signs_nothing(keys, kids):
    """However that came about: by hand, by a copy of half a folder."""
    (keys / "public" / f"{kids[0]}.pem").unlink()

    with pytest.raises(KeyFault, match="public half"):
        keyring.signing_key()
