"""The environment: secrets from files, what is missing is named."""

from urllib.parse import quote, urlencode

import pytest
from django.core.exceptions import ImproperlyConfigured

from shared.env import Env, report


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


def test_a_line_that_is_no_setting_is_not_shown(environ, tmp_path, caplog, capfd):
    """LOG-01: it may be a secret that was pasted there."""
    (tmp_path / ".env").write_text("A=1\nhunter2 is my password\n")

    assert Env(tmp_path).str("A") == "1"
    assert "hunter2" not in caplog.text + "".join(capfd.readouterr())


def test_a_file_may_be_of_windows(env, environ, tmp_path):
    """With a byte order mark and CRLF. The first line counts too."""
    lines = "\ufeffA='x # y'\r\n# B=2\r\nexport C=\"3\"\r\n"
    (tmp_path / ".env").write_bytes(lines.encode())
    Env(tmp_path)
    assert environ == {"A": "x # y", "C": "3"}

    (tmp_path / "secret").write_bytes("\ufeffhunter2\r\n".encode())
    environ["S_FILE"] = "secret"
    assert env.str("S") == "hunter2"


@pytest.mark.parametrize(
    "line", ["B = canary", "B =canary", "  B=canary", "export  B=canary", "\tB=canary"]
)
def test_a_setting_that_would_be_left_out_in_silence_is_refused(
    environ, tmp_path, line
):
    """SECOND_FACTOR = required would be no second factor."""
    (tmp_path / ".env").write_text(f"A=1\n{line}\n")
    found = refusal(Env, tmp_path)

    assert found.endswith(".env, line 2: write NAME=value without spaces.")
    assert "canary" not in found


def test_a_file_that_is_no_text_is_named(env, environ, tmp_path):
    """UTF-16, as PowerShell writes it."""
    for name in (".env", "secret"):
        (tmp_path / name).write_bytes("A=1".encode("utf-16"))
    environ["S_FILE"] = "secret"

    assert refusal(Env, tmp_path) == f"{tmp_path / '.env'} is not UTF-8."
    expected = "S_FILE names a file that cannot be read: it is not UTF-8."
    assert refusal(env.str, "S") == expected


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
    assert "SECRET_KEY_FILE names a file" in refusal(env.str, "SECRET_KEY")


def test_all_that_is_missing_is_collected(environ, tmp_path):
    """What is not needed is not. That the start is refused by it, the services show."""
    environ["JWT_ISSUER"] = "https://memo.example"
    env = Env(tmp_path, collect=True)
    hosts = env.list("ALLOWED_HOSTS")
    read = (
        env.str("SECRET_KEY"),
        env.str("JWT_ISSUER"),
        env.str("LEFT_OUT", default="x"),
    )
    assert (hosts, *read) == ([], "", "https://memo.example", "x")
    env.database(), env.folder("JWT_PUBLIC_KEYS_DIR")
    names = "ALLOWED_HOSTS SECRET_KEY DATABASE_URL JWT_PUBLIC_KEYS_DIR"
    assert env.missing == names.split()


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


# By name: how a value of this kind is read, what it is without one, texts that are.
KINDS = {
    "limit": lambda env: env.rate_limits("NAME", "10/minute"),
    "number": lambda env: env.number("NAME", default=10, most=60),
    "switch": lambda env: env.switch("NAME", default=True),
    "choices": lambda env: env.choices("NAME", default=["a", "b"]),
    "choice": lambda env: env.choice("NAME", ["", "ab"], default=""),
    "folder": lambda env: str(env.folder("NAME")),
    "list": lambda env: env.list("NAME", default=["a b"]),
    "keys": lambda env: env.api_keys("NAME"),
}
GOOD = {
    "limit": {None: "10/minute", "5/15minute; 20/day": ..., "1 per hour": ...},
    "number": {None: 10, "0": 0, "60": 60},
    "switch": {None: True, "true": True, "ON": True, "1": True, "no": False},
    "choices": {None: ["a", "b"], "b": ["b"], "b, a": ["b", "a"]},
    "choice": {None: "", "": "", "ab": "ab"},
    "list": {None: ["a b"], "": [], "a": ["a"], " a , b c,, ,d\t": ["a", "b c", "d"]},
    "folder": {"/somewhere": ...},
    "keys": {
        **{None: [], "": [], "auth=a=b==": [("auth", "a=b==")]},
        "auth=abc, auth=next,\n": [("auth", "abc"), ("auth", "next")],
    },
}
BAD_LIMITS = ["", "0", "10", "10/", "/60", "10/60", "10/0", "-1/minute", "10/decade"]
BAD_LIMITS += ["0/minute", "5/minute; 0/day", "5/minute, x", "9999999999/day"]
BAD = {
    "limit": [*BAD_LIMITS, "1/11year"],
    "number": ["soon", "-3", "61", "1.5", "", "9" * 5000],
    "switch": ["ture", "", "2", "maybe"],  # django-environ would take them for no
    "choices": ["b,c"],
    "choice": ["c", " "],
    "folder": [""],
    "keys": ["abc", "auth=", "=abc", "auth=abc,def", "="],
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_value_of_its_kind_is_read(env, environ, kind):
    for text, value in GOOD[kind].items():
        environ |= {} if text is None else {"NAME": text}
        assert KINDS[kind](env) == (text if value is ... else value)


@pytest.mark.parametrize("kind", BAD)
def test_any_other_value_is_refused_by_name(env, environ, kind):
    """OPS-01: nor can a limit be switched off."""
    for environ["NAME"] in BAD[kind]:
        found = refusal(KINDS[kind], env)
        assert found.startswith("NAME ")
        assert "abc" not in found  # a piece of a key


def test_a_setting_that_may_be_empty_says_so(env, environ):
    environ["NAME"] = "session"
    found = refusal(env.choice, "NAME", ["", "transaction"], default="")
    assert found == "NAME must be one of: empty, transaction."


@pytest.mark.parametrize("prefix", ["", "MIGRATION_"])
@pytest.mark.parametrize(
    ("at", "host", "port"),
    [
        ("//run/dir/auth-db", "/run/dir/auth-db", ""),
        ("auth-db:5432", "auth-db", 5432),
        ("db-1:5432,db-2:5433", "db-1,db-2", "5432,5433"),
    ],
)
def test_a_database_is_a_socket_or_one_or_two_hosts(
    env, environ, tmp_path, prefix, at, host, port
):
    """Its password may be any text. The owner role is used where it is given."""
    (tmp_path / "password").write_text("p@ss/w%rd:#?\n")
    environ["DATABASE_URL"] = "postgres://other@elsewhere/other"
    environ[f"{prefix}DATABASE_URL"] = f"postgres://auth_app@{at}/auth"
    environ[f"{prefix}DATABASE_PASSWORD_FILE"] = "password"
    expected = {"HOST": host, "PORT": port, "NAME": "auth", "USER": "auth_app"}
    assert env.database().items() >= (expected | {"PASSWORD": "p@ss/w%rd:#?"}).items()


@pytest.mark.parametrize("password", ["$HOME", "$$", "p$x"])
def test_a_password_in_a_url_is_no_name_of_a_variable(env, environ, password):
    environ |= {"HOME": "/root", "DATABASE_URL": f"postgres://x:{quote(password)}@y/z"}
    assert env.database()["PASSWORD"] == password


def test_options_of_a_database_reach_psycopg(env, environ):
    options = {"target_session_attrs": "read-write", "sslmode": "verify-full"}
    url = "postgres://auth_app@db-1:5432,db-2:5432/auth?" + urlencode(options)
    environ["DATABASE_URL"] = url
    assert env.database()["OPTIONS"] == options


def test_an_address_that_cannot_be_read_is_not_repeated(env, environ):
    environ["DATABASE_URL"] = "mysql://x@y/z"
    assert refusal(env.database) == "DATABASE_URL must be postgres://..."
    # What follows the colon is no port, and would be printed.
    environ["DATABASE_URL"] = "postgres://a:pass/canary@db:5432/auth"
    assert refusal(env.database) == "DATABASE_URL is not a valid URL."


def test_a_refused_setting_is_one_line_and_another_fault_has_its_traceback(capsys):
    report(ImproperlyConfigured, ImproperlyConfigured("no\n  good"), None)
    assert capsys.readouterr().err == "ImproperlyConfigured: no good\n"
    report(KeyError, KeyError("x"), None)
    assert "KeyError" in capsys.readouterr().err
