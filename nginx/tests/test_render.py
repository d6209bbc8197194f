"""The renderer: refusals that name the variable, and a valid result."""

import re
import subprocess

import pytest

from nginx.render import TLS_FILES
from nginx.tests.gateway_stack import NATIVE, ROOT, find_nginx, run_render


def rendered(folder, *options, **env):
    """The text of all files, natively unless an option says else."""
    done = run_render(folder, env, *(options or NATIVE))
    assert done.returncode == 0, done.stderr
    files = sorted(file for file in (folder / "conf").rglob("*") if file.is_file())
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


@pytest.mark.parametrize(
    "setting",
    [
        "GATEWAY_PORT=65536", "GATEWAY_PORT=8080; return 200", "GATEWAY_BIND=localhost",
        "GATEWAY_BIND=,", "GATEWAY_BIND=127.0.0.1,127.0.0.1", "GATEWAY_BIND=::1,[::1]",
        "GATEWAY_BIND=fe80::1%eth0", "GATEWAY_RESOLVER=fe80::1%eth0",
        "GATEWAY_TRUSTED_PROXIES=fe80::1%eth0", "GATEWAY_ADMIN_NETWORKS=fe80::1%eth0",
        "GATEWAY_SERVER_NAMES=memo_product",
        "GATEWAY_SERVER_NAMES=~^.*$", "GATEWAY_SERVER_NAMES=[::1",
        "GATEWAY_TRUSTED_PROXIES=0.0.0.0/0", "GATEWAY_TRUSTED_PROXIES=10.0.0.1/8",
        "GATEWAY_TRUSTED_PROXIES=0.0.0.0/1,128.0.0.0/1",
        "GATEWAY_ADMIN_NETWORKS=2000::/3", "GATEWAY_ADMIN_NETWORKS=office",
        "GATEWAY_LOGIN_RATE=30",
        "GATEWAY_LOGIN_RATE=0r/m", "GATEWAY_API_RATE=20r/h", "GATEWAY_API_BURST=0",
        "GATEWAY_CONNECTION_LIMIT=-1", "GATEWAY_TLS_CERTIFICATE=/nowhere.pem",
        'GATEWAY_TLS_CERTIFICATE=/run/"; x', "GATEWAY_ERROR_LOG_LEVEL=info",
        "GATEWAY_RESOLVER=dns", "CORS_ALLOWED_ORIGINS=*",
        "CORS_ALLOWED_ORIGINS=https://a.example,https://b.example/",
        'CORS_ALLOWED_ORIGINS=https://a.example" 1; default $http_origin; "',
        "GATEWAY_UPSTREAM_AUTH=,", "GATEWAY_UPSTREAM_AUTH=auth-1,auth-2",
        "GATEWAY_UPSTREAM_AUTH=a:8001 b:8001", "GATEWAY_UPSTREAM_AUTH=a:0,b:8001",
        "GATEWAY_UPSTREAM_USERS=http://a:8001", "GATEWAY_UPSTREAM_USERS=a:8000,a:8000",
        "GATEWAY_UPSTREAM_USERS=a:8000;", "--upstream=auth=127.0.0.1",
        "--upstream=auth=auth_service:8001",
        "--upstream=auth=127.0.0.1:0", "--upstream=billing=127.0.0.1:8002",
        "--static=/srv/$static", '--state=/run/"x"', "--state=/var/log/a\nb",
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_name(tmp_path, setting):
    name, _, value = setting.partition("=")
    option = [setting] if name.startswith("--") else []
    done = run_render(tmp_path, {} if option else {name: value}, *NATIVE, *option)
    assert done.returncode == 2
    assert done.stderr.startswith(f"render.py: {name}: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "conf").exists()


def test_a_certificate_without_its_key_is_refused(tmp_path):
    done = run_render(tmp_path, {TLS_FILES[0]: __file__}, *NATIVE)
    assert done.returncode == 2
    assert f"{TLS_FILES[1]}: " in done.stderr


# ---- For compose.yaml ----------------------------------------------------------------


def test_containers_are_found_by_name_at_their_one_port(tmp_path):
    """A relative path of a certificate starts at the folder of the root .env."""
    projects = sorted(path.parent.name for path in ROOT.glob("*_project/manage.py"))
    names = [project.removesuffix("_project") for project in projects]
    assert {"auth", "users"} <= {*names}
    env = dict.fromkeys(TLS_FILES, "nginx/render.py")
    bind = {"GATEWAY_PORT": "443", "GATEWAY_BIND": "127.0.0.1"}
    text = rendered(tmp_path, "--compose", **env, **bind)
    assert re.findall(
        r"^upstream (\w+) \{\n.*\n +server (\S+) ", text, re.MULTILINE
    ) == [(name, f"{name}:8000") for name in names]
    assert set(re.findall(r"listen (\S+) ssl", text)) == {"0.0.0.0:8080"}
    assert 'alias "/srv/static/";' in text
    assert 'ssl_certificate_key "/run/secrets/tls_certificate_key";' in text


def test_containers_ask_dockers_dns_unless_it_is_empty(tmp_path):
    """A container that was replaced has another address (GW-09)."""
    assert "resolver 127.0.0.11 valid=5s;" in rendered(tmp_path, "--compose")
    text = rendered(tmp_path / "old", "--compose", GATEWAY_RESOLVER="")
    assert not re.search("^resolver ", text, re.MULTILINE)
    assert " resolve;" not in text


# ---- Files ---------------------------------------------------------------------------


def test_a_budget_too_long_to_wait_for_is_as_required(tmp_path):
    """GW-06, GW-08, GW-14; what happens at its end is tested with shorter ones."""
    text = rendered(tmp_path, GATEWAY_REFRESH_BURST="")
    for budget in (
        "worker_connections 4096", "worker_rlimit_nofile 8192",
        "client_header_timeout 5s", "client_body_timeout 10s", "send_timeout 10s",
        "large_client_header_buffers 4 8k", "proxy_connect_timeout 2s",
        "proxy_send_timeout 5s", "proxy_read_timeout 15s", "keepalive_timeout 60s",
        "client_body_buffer_size 16k", "limit_req zone=refresh burst=20 nodelay",
    ):  # fmt: skip
        assert re.search(rf"^ *{budget};$", text, re.MULTILINE), budget
    assert not re.findall(r"@[A-Z_]+@", text)


def test_retry_after_is_the_wait_of_the_slowest_limit(tmp_path):
    assert re.search(r"429 +6;", rendered(tmp_path))
    assert re.search(r"429 +30;", rendered(tmp_path, GATEWAY_LOGIN_RATE="2r/m"))


def test_a_container_does_not_have_a_worker_for_each_core_of_its_host(tmp_path):
    """Its memory would not suffice for 64."""
    assert "worker_processes auto;" in rendered(tmp_path)
    for env in ({}, {"GATEWAY_WORKERS": ""}):
        assert "worker_processes 2;" in rendered(tmp_path, "--compose", **env)
    assert "worker_processes 8;" in rendered(tmp_path, "--compose", GATEWAY_WORKERS="8")


def test_names_are_looked_up_while_running_when_a_resolver_is_given(tmp_path):
    text = rendered(tmp_path, GATEWAY_RESOLVER="127.0.0.11")
    assert "resolver 127.0.0.11 valid=5s;" in text
    assert "server 127.0.0.1:8001 max_fails=0 resolve;" in text


def test_nginx_accepts_the_result_in_a_folder_with_spaces(tmp_path):
    everything = {
        "GATEWAY_BIND": "0.0.0.0",  # noqa: S104
        "GATEWAY_SERVER_NAMES": "api.example.com,*.example.org,.example.net",
        "GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8,fd00::/8",
        "GATEWAY_ADMIN_NETWORKS": "192.168.0.0/16",
    }
    folder = tmp_path / "a folder"
    assert "listen 0.0.0.0:8080;" in rendered(folder, **everything)
    config = str(folder / "conf" / "nginx.conf")
    command = [find_nginx(), "-t", "-e", "stderr", "-c", config]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr
