"""gixy, which looks for known mistakes, finds none in what is rendered.

What it says of things that are as they should be is explained here, and nowhere else.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nginx.render import TLS_FILES
from nginx.tests.gateway_stack import NATIVE, ROOT, replace_in, run_render

OUTSIDE = {"GATEWAY_SERVER_NAMES": "api.memo.example,*.memo.example"}
BEHIND = {
    "GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8",
    "GATEWAY_ADMIN_NETWORKS": "10.0.0.0/8",
}
VARIANTS = {
    "native": ({}, NATIVE),
    "compose": ({}, ["--compose"]),
    "behind a proxy": (BEHIND | OUTSIDE, NATIVE),
    # gixy reads the names, not the files
    "TLS": (OUTSIDE | dict.fromkeys(TLS_FILES, __file__), NATIVE),
}

# Why a finding is none, and the only lines it may be about.
EXPLAINED = {
    # Host is checked: only GATEWAY_SERVER_NAMES are served, others get 421. $host would
    # lose the port, which Django's CSRF check compares with Origin.
    "host_spoofing": r"proxy_set_header Host \$http_host;",
    # One look at the file system for a file of the admin: no fault, a price. It keeps a
    # folder there from being answered with a redirect. The others are for a preflight
    # and for /admin, whose redirect has to wait for `allow` and `deny`.
    "try_files_is_evil_too": r"try_files (\$uri =404|/\.none (=204|@admin));",
    # It is in every location, by includes/headers.conf; gixy looks at the level of the
    # server alone, which those would replace. test_gateway_tls.py sees it.
    "hsts_header": r"(server_name .*;)?",
    # All that is returned there are the refusals of includes/proxy.conf: where /admin/
    # is closed, a malformed request for it is malformed all the same.
    "return_bypasses_allow_deny": (r"return 4\d\d;|if \(.*\) \{|allow .*;|deny all;"),
}
SCAFFOLD = r"(server|location .*) \{|\}|server_name .*;|"


def findings(folder: Path) -> list[dict[str, Any]]:
    """What gixy says of a rendered configuration, and has not been explained."""
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    (version,) = re.findall(r"^ARG NGINX_IMAGE=nginx:(\S+)$", dockerfile, re.MULTILINE)
    command = [sys.executable, "-m", "gixy.cli.main", "--format", "json"]
    command += ["--nginx-version", version, str(folder / "conf" / "nginx.conf")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return [each for each in found if not is_explained(each)]


def is_explained(finding: dict[str, Any]) -> bool:
    pattern = f"{SCAFFOLD}|{EXPLAINED.get(finding['plugin'], '(?!)')}"
    lines = finding["config"].split("\n")
    known = finding["plugin"] in EXPLAINED
    return known and all(re.fullmatch(pattern, line.strip()) for line in lines)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gixy_finds_nothing(variant, tmp_path):
    env, options = VARIANTS[variant]
    assert run_render(tmp_path, env, *options).returncode == 0
    assert findings(tmp_path) == []


def test_gixy_finds_a_mistake(tmp_path):
    """Next to what was explained."""
    assert run_render(tmp_path, {}, *NATIVE).returncode == 0
    mistake = {"try_files $uri =404;": "try_files $uri $arg_x;"}
    replace_in(tmp_path / "conf", mistake)
    assert {each["plugin"] for each in findings(tmp_path)} == {"try_files_is_evil_too"}
