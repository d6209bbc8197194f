"""The environment: secrets from files, what is missing is named."""

import os
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from shared.env import Env, project_dir, report


@pytest.fixture
def environ(monkeypatch):
    """An environment of its own: nothing that is read here stays in the process."""
    monkeypatch.setattr(Env, "ENVIRON", {})
    monkeypatch.delenv("ENV_FILE", raising=False)
    return Env.ENVIRON


@pytest.fixture
def env(environ, tmp_path):
    return Env(tmp_path)


def refusal(read, *args, **kwargs):
    with pytest.raises(ImproperlyConfigured) as caught:
        read(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize("folder", ["", "../", "{}/"])
def test_a_secret_may_be_in_a_file(env, environ, tmp_path, folder):
    """Relative to the project's folder. A process that this one starts finds the file
    in its environment, and no secret. A value itself wins over its file."""
    path = folder.format(tmp_path) + "secret"
    (tmp_path / path).write_text("7\n")
    environ |= {"A_FILE": path, "B": "here", "B_FILE": "/nowhere"}
    before = dict(environ)

    assert (env.str("A"), env.int("A"), env.str("B")) == ("7", 7, "here")
    assert env.secret_files == {"A": tmp_path / path}
    assert environ == before


def test_what_is_missing_is_named(env, environ):
    assert "SECRET_KEY" in refusal(env.str, "SECRET_KEY")
    environ["SECRET_KEY_FILE"] = "/nowhere/secret"
    text = refusal(env.str, "SECRET_KEY")
    assert text == "SECRET_KEY_FILE names a file that cannot be read: " + (
        "No such file or directory."
    )


@pytest.mark.parametrize("how", ["value", "file"])
def test_a_value_that_would_be_taken_for_a_variables_name_is_refused(
    env, environ, tmp_path, how
):
    """django-environ would look for the rest of the password, and print it."""
    (tmp_path / "password").write_text("$canary")
    environ |= {"A": "$canary"} if how == "value" else {"A_FILE": "password"}

    assert refusal(env.str, "A", default="") == "A must not begin with a dollar sign."


def test_the_env_file_is_next_to_manage_py_or_named(environ, tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("A=`touch canary`\nB=2\n")
    environ["B"] = "the real environment wins"
    env = Env(tmp_path)
    assert (env.str("A"), env.str("B")) == ("`touch canary`", environ["B"])
    assert not (tmp_path / "canary").exists()  # values are parsed and never run
    (tmp_path / "other").write_text("C=hi\n")
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "other"))
    assert Env(tmp_path).str("C") == "hi"


def test_it_is_known_which_names_were_written_and_which_were_asked_for(
    environ, tmp_path
):
    (tmp_path / ".env").write_text("# X=1\nexport A=1\nB=2\nD_FILE=/dev/null\n")
    env = Env(tmp_path)
    env.str("A")
    env.str("D", default="")

    assert env.names.written == {"A", "B", "D_FILE"}
    assert env.names.known == {"A", "A_FILE", "D", "D_FILE"}


# By name: how a value of this kind is read, texts that are, and what others are not.
KINDS = {
    "limit": lambda env: env.rate_limits("NAME", "10/minute"),
    "number": lambda env: env.number("NAME", default=10, most=60),
    "switch": lambda env: env.switch("NAME", default=True),
    "choices": lambda env: env.choices("NAME", default=["a", "b"]),
    "folder": lambda env: str(env.folder("NAME")),
    "keys": lambda env: env.api_keys("NAME"),
}


DEFAULTS = {
    "limit": "10/minute",
    "number": 10,
    "switch": True,
    "choices": ["a", "b"],
    "keys": [],
}
GOOD = {
    "limit": {t: t for t in ("3/minute", "5/15minute; 20/day", "1 per hour")},
    "number": {"0": 0, "60": 60},
    "switch": {"true": True, "ON": True, "1": True, "no": False},
    "choices": {"b": ["b"], "b,a": ["b", "a"]},
    "folder": {"/somewhere": "/somewhere"},
    "keys": {
        "": [],
        "auth=abc,auth=next,": [("auth", "abc"), ("auth", "next")],
        "auth=a=b==": [("auth", "a=b==")],
    },
}
BAD_LIMITS = ["", "0", "10", "10/", "/60", "10/60", "10/0", "-1/minute", "10/decade"]
BAD_LIMITS += ["0/minute", "5/minute; 0/day", "5/minute, x", "9999999999/day"]
BAD = {
    "limit": [*BAD_LIMITS, "1/11year"],
    "number": ["soon", "-3", "61", "1.5", "", "9" * 5000],
    "switch": ["ture", "", "2", "maybe"],  # django-environ would take them for no
    "choices": ["b,c"],
    "folder": [""],
    "keys": ["abc", "auth=", "=abc", "auth=abc,def", "="],
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_value_of_its_kind_is_read(env, environ, kind):
    if kind in DEFAULTS:
        assert KINDS[kind](env) == DEFAULTS[kind]
    for text, value in GOOD[kind].items():
        environ["NAME"] = text
        assert KINDS[kind](env) == value


@pytest.mark.parametrize("kind", BAD)
def test_any_other_value_is_refused_by_name(env, environ, kind):
    for environ["NAME"] in BAD[kind]:
        found = refusal(KINDS[kind], env)
        assert found.startswith("NAME ")
        assert "abc" not in found  # a piece of a key


@pytest.mark.parametrize("prefix", ["", "MIGRATION_"])
@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgres://auth_app@//run/dir/auth-db/auth", "/run/dir/auth-db", ""),
        ("postgres://auth_app@auth-db:5432/auth", "auth-db", 5432),
    ],
)
def test_a_database_is_a_socket_or_a_host(
    env, environ, tmp_path, prefix, url, host, port
):
    """Its password may be any text. The owner role is used where it is given."""
    (tmp_path / "password").write_text("p@ss/w%rd:#?\n")
    environ["DATABASE_URL"] = "postgres://other@elsewhere/other"
    environ |= {f"{prefix}DATABASE_URL": url}
    environ |= {f"{prefix}DATABASE_PASSWORD_FILE": "password"}
    database = env.database()

    assert (database["HOST"], database["PORT"]) == (host, port)
    assert (database["NAME"], database["USER"]) == ("auth", "auth_app")
    assert database["PASSWORD"] == "p@ss/w%rd:#?"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("mysql://x@y/z", "DATABASE_URL must be postgres://..."),
        # What follows the colon is no port, and would be printed.
        ("postgres://a:pass/canary@db:5432/auth", "DATABASE_URL cannot be read."),
    ],
)
def test_an_address_that_cannot_be_read_is_not_repeated(env, environ, url, text):
    environ["DATABASE_URL"] = url

    assert refusal(env.database) == text


def test_the_project_is_where_the_settings_package_is(tmp_path, monkeypatch):
    project = tmp_path / "some_project"
    (project / "some_config").mkdir(parents=True)
    (project / "some_config" / "__init__.py").touch()
    monkeypatch.syspath_prepend(project)
    monkeypatch.setitem(os.environ, "DJANGO_SETTINGS_MODULE", "some_config.settings")

    assert project_dir() == project
    assert "some_config" not in sys.modules
    monkeypatch.setitem(os.environ, "DJANGO_SETTINGS_MODULE", "nowhere.settings")
    assert "nowhere" in refusal(project_dir)


def test_a_refused_setting_is_one_line_and_another_fault_has_its_traceback(capsys):
    report(ImproperlyConfigured, ImproperlyConfigured("no\n  good"), None)
    assert capsys.readouterr().err == "ImproperlyConfigured: no good\n"
    report(KeyError, KeyError("x"), None)
    assert "KeyError" in capsys.readouterr().err
