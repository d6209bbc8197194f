"""API keys that came by file are what the file says now (S2S-01, TOK-18)."""

import json
from functools import partial

import pytest

from shared.auth import api_keys
from shared.file_watcher import FileWatcher

OLD, NEXT, OTHER = "old-" * 12, "next" * 12, "other" * 10
NAME = "AUTH_SERVICE_API_KEY"

# What a careless hand may leave in a file; none of it is taken.
WRONG = [
    pytest.param("", id="empty"),
    pytest.param(" \n", id="blank"),
    pytest.param("{key}\n{key}", id="two-lines"),
    pytest.param("${key}", id="a-variable"),
    pytest.param("{key}é", id="not-ascii"),
    pytest.param("canary-key", id="too-short"),
]
WRONG_LISTS = [
    *WRONG,
    pytest.param(",", id="no-pair"),
    pytest.param("{key}", id="no-caller"),
    pytest.param("auth=", id="no-key"),
    pytest.param("auth={key},reports=canary-key", id="one-too-short"),
    pytest.param("auth={key},{key}", id="one-without-a-caller"),
]


@pytest.fixture(autouse=True)
def files(tmp_path, settings, monkeypatch):
    """The keys that this service accepts and presents came by file. Files are looked at
    on every call, and not once a second."""
    monkeypatch.setattr(api_keys, "FileWatcher", partial(FileWatcher, interval=0))
    settings.INTERNAL_API_KEYS = [("auth", OLD)]
    settings.AUTH_SERVICE_API_KEY = OLD
    settings.SECRET_FILES = {
        "INTERNAL_API_KEYS": tmp_path / "internal_api_keys",
        NAME: tmp_path / "auth_service_api_key",
    }
    for path in settings.SECRET_FILES.values():
        path.write_text(f"auth={OLD}" if "internal" in path.name else OLD)
    return settings.SECRET_FILES


@pytest.fixture
def keys(files):
    return files["INTERNAL_API_KEYS"]


@pytest.fixture
def key(files):
    return files[NAME]


def replace(path, text):
    draft = path.with_name("draft")
    draft.write_text(text)
    draft.replace(path)


def test_a_callers_key_is_rotated_without_a_restart(api_client, keys):
    def statuses():
        url, name = "/api/v1/test/internal", "X-Internal-Api-Key"
        answers = [api_client.get(url, headers={name: k}) for k in (OLD, NEXT, OTHER)]
        return [answer.json().get("caller") for answer in answers]

    for text, callers in {
        f"auth={OLD}": ["auth", None, None],
        f"auth={OLD},auth={NEXT}\n": ["auth", "auth", None],
        f"auth={NEXT}": [None, "auth", None],
        f"auth={NEXT},notes={OTHER}": [None, "auth", "notes"],
        f"auth={OLD},auth={NEXT}": ["auth", "auth", None],
    }.items():
        replace(keys, text)
        assert statuses() == callers


def test_the_key_presented_is_the_one_in_the_file(key):
    assert api_keys.presented(NAME) == OLD
    replace(key, f"{NEXT}\n")
    assert api_keys.presented(NAME) == NEXT


@pytest.mark.parametrize("text", WRONG_LISTS)
def test_a_wrong_list_changes_nothing(keys, caplog, text):
    replace(keys, text.format(key=NEXT))
    assert api_keys.accepted() == [("auth", OLD)]
    assert api_keys.caller_of(OLD) == "auth"
    assert_logged(caplog, keys)
    replace(keys, f"auth={NEXT}")
    assert api_keys.accepted() == [("auth", NEXT)]


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_key_is_not_presented(key, caplog, text):
    replace(key, text.format(key=NEXT))
    assert api_keys.presented(NAME) == OLD
    assert_logged(caplog, key)
    replace(key, NEXT)
    assert api_keys.presented(NAME) == NEXT


@pytest.mark.parametrize("how", ["removed", "no-text", "a-folder"])
def test_a_file_that_cannot_be_read_changes_nothing(keys, caplog, how):
    keys.unlink()
    if how == "no-text":
        keys.write_bytes(b"auth=\xff" + NEXT.encode())
    elif how == "a-folder":
        keys.mkdir()
    assert api_keys.accepted() == [("auth", OLD)]
    assert_logged(caplog, keys)


def assert_logged(caplog, path):
    """In the log by the file's name, and with nothing that is in it."""
    assert {record.event for record in caplog.records} == {"reload"}
    assert path.name in caplog.text
    logged = json.dumps([vars(record) for record in caplog.records], default=str)
    assert not [key for key in (OLD, NEXT, OTHER, "canary") if key in logged]


def test_nothing_is_read_where_the_key_did_not_come_by_file(settings):
    settings.SECRET_FILES = {}
    settings.INTERNAL_API_KEYS = [("auth", NEXT)]
    settings.AUTH_SERVICE_API_KEY = OTHER
    assert api_keys.accepted() == [("auth", NEXT)]
    assert api_keys.presented(NAME) == OTHER


def test_all_keys_are_compared_whichever_fits(keys, monkeypatch):
    """S2S-01: how long it takes does not say which caller's key it is."""
    replace(keys, f"auth={OLD},auth={NEXT},notes={OTHER}")
    compared = []

    def count(one, other):
        compared.append(other)
        return one == other

    monkeypatch.setattr(api_keys.hmac, "compare_digest", count)
    for offered in (OLD, NEXT, OTHER, "none of them", ""):
        compared.clear()
        api_keys.caller_of(offered)
        assert compared == [OLD.encode(), NEXT.encode(), OTHER.encode()]
