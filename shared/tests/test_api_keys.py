"""API keys that came by file are what the file says now (S2S-01, TOK-18)."""

import json
from functools import partial

import pytest

from shared.auth import api_keys
from shared.file_watcher import FileWatcher
from shared.tests.conftest import assert_problem

INTERNAL = "/api/v1/test/internal"
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
    pytest.param(",", id="nobody"),
    pytest.param("{key}", id="no-caller"),
    pytest.param("auth=", id="no-key"),
    pytest.param("auth={key},reports=canary-key", id="one-too-short"),
    pytest.param("auth={key},{key}", id="one-without-a-caller"),
]


@pytest.fixture(autouse=True)
def _every_look(monkeypatch):
    """Files are looked at on every call, and not once a second."""
    monkeypatch.setattr(api_keys, "FileWatcher", partial(FileWatcher, interval=0))


@pytest.fixture
def keys(tmp_path, settings):
    """The file of the keys this service accepts."""
    path = tmp_path / "internal_api_keys"
    path.write_text(f"auth={OLD}")
    settings.INTERNAL_API_KEYS = [("auth", OLD)]
    settings.SECRET_FILES = {"INTERNAL_API_KEYS": path}
    return path


@pytest.fixture
def key(tmp_path, settings):
    """The file of the key this service presents."""
    path = tmp_path / "auth_service_api_key"
    path.write_text(OLD)
    setattr(settings, NAME, OLD)
    settings.SECRET_FILES = {NAME: path}
    return path


def replace(path, text):
    draft = path.with_name("draft")
    draft.write_text(text)
    draft.replace(path)


def call(api_client, key):
    return api_client.get(INTERNAL, headers={"X-Internal-Api-Key": key})


def test_a_callers_key_is_rotated_without_a_restart(api_client, keys):
    assert call(api_client, OLD).json() == {"caller": "auth"}
    assert_problem(call(api_client, NEXT), 401, "service_auth_failed")
    replace(keys, f"auth={OLD},auth={NEXT}\n")
    for key in (OLD, NEXT):
        assert call(api_client, key).json() == {"caller": "auth"}
    replace(keys, f"auth={NEXT}")
    assert_problem(call(api_client, OLD), 401, "service_auth_failed")
    assert call(api_client, NEXT).json() == {"caller": "auth"}


def test_a_caller_is_let_in_and_shut_out_without_a_restart(api_client, keys):
    replace(keys, f"auth={OLD},notes={OTHER}")
    assert call(api_client, OTHER).json() == {"caller": "notes"}
    replace(keys, f"auth={OLD}")
    assert_problem(call(api_client, OTHER), 401, "service_auth_failed")


def test_the_key_presented_is_the_one_in_the_file(key):
    assert api_keys.presented(NAME) == OLD
    replace(key, f"{NEXT}\n")
    assert api_keys.presented(NAME) == NEXT


@pytest.mark.parametrize("text", WRONG_LISTS)
def test_a_wrong_list_changes_nothing(keys, caplog, text):
    replace(keys, text.format(key=NEXT))
    assert api_keys.accepted() == [("auth", OLD)]
    assert api_keys.caller_of(OLD) == "auth"
    assert_told(caplog, keys)
    replace(keys, f"auth={NEXT}")
    assert api_keys.accepted() == [("auth", NEXT)]


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_key_is_not_presented(key, caplog, text):
    replace(key, text.format(key=NEXT))
    assert api_keys.presented(NAME) == OLD
    assert_told(caplog, key)
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
    assert_told(caplog, keys)


def assert_told(caplog, path):
    """In the log by the file's name, and with nothing that is in it."""
    assert caplog.records
    assert {record.event for record in caplog.records} == {"reload"}
    assert path.name in caplog.text
    told = json.dumps([vars(record) for record in caplog.records], default=str)
    assert not [key for key in (OLD, NEXT, OTHER, "canary") if key in told]


def test_nothing_is_read_where_the_key_did_not_come_by_file(settings):
    settings.INTERNAL_API_KEYS = [("auth", NEXT)]
    setattr(settings, NAME, OTHER)
    assert api_keys.accepted() == [("auth", NEXT)]
    assert api_keys.presented(NAME) == OTHER


def test_all_keys_are_compared_whichever_fits(keys, monkeypatch):
    """S2S-01: how long it takes does not tell which caller's key it is."""
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
