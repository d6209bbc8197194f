"""API keys that came by file are what the file says now (S2S-01, TOK-18)."""

import json
from functools import partial

import pytest

from shared.auth import api_keys
from shared.file_watcher import FileWatcher
from shared.tests.test_file_watcher import replace

OLD, NEXT, OTHER = "old-" * 12, "next" * 12, "other" * 10
NAME, LIST = "AUTH_SERVICE_API_KEY", "INTERNAL_API_KEYS"

# What a careless hand may leave in a file; none of it is taken.
WRONG = {
    "empty": "",
    "blank": " \n",
    "two-lines": f"{NEXT}\n{NEXT}",
    "a-variable": f"${NEXT}",
    "not-ascii": f"{NEXT}é",
    "not-utf-8": b"auth=\xff" + NEXT.encode(),
    "too-short": "canary-key",
}
WRONG_LISTS = {
    "no-pair": ",",
    "no-caller": NEXT,
    "no-key": "auth=",
    "one-too-short": f"auth={NEXT},reports=canary-key",
    "one-without-a-caller": f"auth={NEXT},{NEXT}",
    "removed": None,
}


@pytest.fixture(autouse=True)
def files(tmp_path, settings, monkeypatch):
    """The keys that this service accepts and presents came by file. Files are looked at
    on every call, and not once a second."""
    monkeypatch.setattr(api_keys, "FileWatcher", partial(FileWatcher, interval=0))
    settings.INTERNAL_API_KEYS = [("auth", OLD)]
    settings.AUTH_SERVICE_API_KEY = OLD
    settings.SECRET_FILES = {LIST: tmp_path / "accepted", NAME: tmp_path / "presented"}
    settings.SECRET_FILES[LIST].write_text(f"auth={OLD}")
    settings.SECRET_FILES[NAME].write_text(OLD)
    return settings.SECRET_FILES


def test_a_callers_key_is_rotated_without_a_restart(api_client, files):
    def callers():
        url, name = "/api/v1/test/internal", "X-Internal-Api-Key"
        answers = [api_client.get(url, headers={name: k}) for k in (OLD, NEXT, OTHER)]
        return [answer.json().get("caller") for answer in answers]

    for text, expected in {
        f"auth={OLD}": ["auth", None, None],
        f"auth={OLD},auth={NEXT}\n": ["auth", "auth", None],
        f"auth={NEXT}": [None, "auth", None],
        f"auth={NEXT},notes={OTHER}": [None, "auth", "notes"],
        f"auth={OLD},auth={NEXT}": ["auth", "auth", None],
    }.items():
        replace(files[LIST], text)
        assert callers() == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [(LIST, content) for content in (WRONG | WRONG_LISTS).values()]
    + [(NAME, content) for content in WRONG.values()],
    ids=[*WRONG, *WRONG_LISTS, *(f"one-key-{name}" for name in WRONG)],
)
def test_a_wrong_file_changes_nothing_until_it_is_right(files, caplog, name, content):
    """The log has its name, and nothing that is in it."""
    old, new = ([("auth", OLD)], [("auth", NEXT)]) if name == LIST else (OLD, NEXT)
    path = files[name]
    if content is None:
        path.unlink()
    else:
        replace(path, content)

    assert api_keys.current(name) == old
    assert {record.event for record in caplog.records} == {"reload"}
    assert path.name in caplog.text
    logged = json.dumps([vars(record) for record in caplog.records], default=str)
    assert not [key for key in (OLD, NEXT, OTHER, "canary") if key in logged]
    replace(path, f"auth={NEXT}\n" if name == LIST else f"{NEXT}\n")
    assert api_keys.current(name) == new


def test_all_keys_are_compared_whichever_fits(files, monkeypatch):
    """S2S-01: how long it takes does not say which caller's key it is."""
    replace(files[LIST], f"auth={OLD},auth={NEXT},notes={OTHER}")
    compared = []

    def count(one, other):
        compared.append(other)
        return one == other

    monkeypatch.setattr(api_keys.hmac, "compare_digest", count)
    for offered in (OLD, NEXT, OTHER, "none of them", ""):
        compared.clear()
        api_keys.caller_of(offered)
        assert compared == [OLD.encode(), NEXT.encode(), OTHER.encode()]
