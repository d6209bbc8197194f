"""The renderer: refusals that name the variable, precedence, and a valid result."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nginx.tests.gateway_stack import RENDER, find_nginx, run_render

SERVICES = ("--upstream=auth=127.0.0.1:8001", "--upstream=users=127.0.0.1:8000")


def rendered(folder: Path, env: dict[str, str], *options: str) -> str:
    done = run_render(folder, env, *SERVICES, *options)
    assert done.returncode == 0, done.stderr
    return text_of(folder / "conf")


def text_of(folder: Path) -> str:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


@pytest.mark.parametrize(
    "setting",
    [
        "GATEWAY_PORT=65536", "GATEWAY_PORT=8080; return 200", "GATEWAY_BIND=localhost",
        "GATEWAY_BIND=,", "GATEWAY_SERVER_NAMES=memo_product",
        "GATEWAY_SERVER_NAMES=~^.*$", "GATEWAY_SERVER_NAMES=[::1",
        "GATEWAY_TRUSTED_PROXIES=0.0.0.0/0", "GATEWAY_TRUSTED_PROXIES=10.0.0.1/8",
        "GATEWAY_ADMIN_NETWORKS=office", "GATEWAY_LOGIN_RATE=30",
        "GATEWAY_LOGIN_RATE=0r/m", "GATEWAY_API_RATE=20r/h", "GATEWAY_API_BURST=0",
        "GATEWAY_CONNECTION_LIMIT=-1", "GATEWAY_TLS_CERTIFICATE=/nowhere.pem",
        'GATEWAY_TLS_CERTIFICATE=/run/"; x', "GATEWAY_ERROR_LOG_LEVEL=debug",
        "GATEWAY_RESOLVER=dns",
        "--upstream=auth=127.0.0.1", "--upstream=auth=auth_service:8001",
        "--upstream=auth=127.0.0.1:0", "--upstream=billing=127.0.0.1:8002",
        "--static=/srv/$static", '--state=/run/"x"', "--state=/var/log/a\nb",
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_name(tmp_path: Path, setting: str) -> None:
    name, _, value = setting.partition("=")
    option = [setting] if name.startswith("--") else []
    done = run_render(tmp_path, {} if option else {name: value}, *SERVICES, *option)
    assert done.returncode == 2
    assert done.stderr.startswith(f"render.py: {name}: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "conf").exists()


# ---- For compose.yaml ----------------------------------------------------------------

TLS = {"GATEWAY_TLS_CERTIFICATE": "chain.pem", "GATEWAY_TLS_CERTIFICATE_KEY": "key.pem"}


def for_compose(folder: Path, **settings: str) -> str:
    """What `init` renders, with these lines in the root .env."""
    folder.mkdir(exist_ok=True)
    (folder / ".env").write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
    command = [sys.executable, str(RENDER), "--compose", f"--output={folder / 'conf'}"]
    command.append(f"--env-file={folder / '.env'}")
    done = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return text_of(folder / "conf")


def test_containers_are_found_by_name_at_their_one_port(tmp_path: Path) -> None:
    for file in TLS.values():
        (tmp_path / file).touch()
    text = for_compose(tmp_path, GATEWAY_PORT="443", GATEWAY_BIND="127.0.0.1", **TLS)
    assert re.findall(
        r"^upstream (\w+) \{\n.*\n +server (\S+) ", text, re.MULTILINE
    ) == [(name, f"{name}:8000") for name in ("auth", "users")]
    assert set(re.findall(r"listen (\S+) ssl", text)) == {"0.0.0.0:8080"}
    assert 'alias "/srv/static/";' in text
    assert 'ssl_certificate_key "/run/secrets/tls_certificate_key";' in text


def test_containers_ask_dockers_dns_unless_it_is_empty(tmp_path: Path) -> None:
    """A container that was replaced has another address (GW-09)."""
    assert "resolver 127.0.0.11 valid=5s;" in for_compose(tmp_path)
    text = for_compose(tmp_path / "old", GATEWAY_RESOLVER="")
    assert not re.search("^resolver ", text, re.MULTILINE)
    assert " resolve;" not in text


# ---- Files ---------------------------------------------------------------------------


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chain.pem").touch()
    (tmp_path / ".env").write_text("GATEWAY_TLS_CERTIFICATE=chain.pem\n")
    done = run_render(tmp_path, {}, *SERVICES, f"--env-file={tmp_path / '.env'}")
    assert done.returncode == 2
    assert "GATEWAY_TLS_CERTIFICATE_KEY: " in done.stderr


def test_the_environment_wins_over_the_env_file_over_the_default(
    tmp_path: Path,
) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text(
        "# GATEWAY_PORT=1\nGATEWAY_LOGIN_RATE=7r/m\nGATEWAY_LOGIN_BURST = 3\n"
        "GATEWAY_REFRESH_BURST=\nDATABASE_URL=postgres://x@/y?z=$1\n"
    )
    text = rendered(tmp_path, {"GATEWAY_LOGIN_RATE": "8r/m"}, f"--env-file={env_file}")
    assert "zone=login:4m rate=8r/m;" in text
    assert "zone=login burst=3 nodelay;" in text
    assert "zone=refresh burst=20 nodelay;" in text
    assert "listen 127.0.0.1:8080;" in text


def test_a_budget_too_long_to_wait_for_is_as_required(tmp_path: Path) -> None:
    """GW-06, GW-08, GW-14; what happens at its end is tested with shorter ones."""
    text = rendered(tmp_path, {})
    for budget in (
        "client_header_timeout 10s", "client_body_timeout 10s", "send_timeout 10s",
        "large_client_header_buffers 4 8k", "proxy_connect_timeout 2s",
        "proxy_send_timeout 5s", "proxy_read_timeout 15s", "keepalive_timeout 60s",
        "client_body_buffer_size 16k",
    ):  # fmt: skip
        assert re.search(rf"^ *{budget};$", text, re.MULTILINE), budget
    assert not re.findall(r"@[A-Z_]+@", text)


def test_retry_after_is_the_wait_of_the_slowest_limit(tmp_path: Path) -> None:
    assert re.search(r"429 +6;", rendered(tmp_path, {}))
    text = rendered(tmp_path, {"GATEWAY_LOGIN_RATE": "2r/m"})
    assert re.search(r"429 +30;", text)


def test_names_are_looked_up_while_running_when_a_resolver_is_given(
    tmp_path: Path,
) -> None:
    text = rendered(tmp_path, {"GATEWAY_RESOLVER": "127.0.0.11"})
    assert "resolver 127.0.0.11 valid=5s;" in text
    assert "server 127.0.0.1:8001 max_fails=0 resolve;" in text


def test_nginx_accepts_the_result_in_a_folder_with_spaces(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    everything = {
        "GATEWAY_BIND": "0.0.0.0",  # noqa: S104
        "GATEWAY_SERVER_NAMES": "api.example.com,*.example.org,.example.net",
        "GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8,fd00::/8",
        "GATEWAY_ADMIN_NETWORKS": "192.168.0.0/16",
    }
    assert "listen 0.0.0.0:8080;" in rendered(folder, everything)
    command = [find_nginx(), "-t", "-e", "stderr"]
    command += ["-c", str(folder / "conf" / "nginx.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr
