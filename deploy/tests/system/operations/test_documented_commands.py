"""The documentation's commands do what it says: each is run here, or says why not."""

import re
import secrets
import subprocess
import time
from pathlib import Path

import pytest
from pyotp import TOTP

from deploy.tests.stack import ROOT

PAGES = [ROOT / "README.md", ROOT / "nginx/README.md", *ROOT.glob("docs/**/*.md")]
MARK = r"(<!-- (?:not run|run by)[^>]*-->\n)?"
BLOCK = re.compile(MARK + r"```(sh|console)\n(.*?)```", re.S)
COPIED = re.compile(r'"(access_token|id|secret|login)":"([^"]+)"')
STEP = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.M)


def blocks(page: Path, kind: str) -> list[str]:
    """The blocks of a page that are to be run."""
    found = BLOCK.findall(page.read_text())
    return [text for mark, of, text in found if of == kind and not mark]


def commands() -> list[str]:
    """The lines of all blocks, without their comments."""
    texts = [text.strip() for page in PAGES for text in blocks(page, "sh")]
    lines = [re.sub(r"\s+#.*", "", line) for x in texts for line in x.splitlines()]
    return list(dict.fromkeys(lines))


# It waits for half a minute, and test_rotations.py runs it, too.
SLOW = pytest.param("./manage_all.sh rotateapikeys", marks=pytest.mark.verify)


@pytest.mark.parametrize(
    "command", [SLOW if x in SLOW.values else x for x in commands()]
)
def test_a_documented_command_runs(system, command):
    program, *words = command.split()
    assert program == "./manage_all.sh", f"mark the block of: {command}"
    system.run(*words)


def test_what_runs_the_marked_blocks_is_there():
    marks = [m for page in PAGES for m, *_ in BLOCK.findall(page.read_text())]
    named = {file for mark in marks for file in re.findall(r"run by (\S+)", mark)}
    assert named
    assert not [file for file in named if not (ROOT / file).is_file()]


def test_the_tour_of_the_readme(system, tmp_path):
    """Each request is answered with the status and the members that README shows."""
    name = f"ada{secrets.token_hex(4)}"
    tour = "".join(blocks(PAGES[0], "console"))
    found: dict[str, str] = {}
    for command, documented in STEP.findall(tour):
        if re.match("[A-Z]+=", command):
            continue
        command = command.replace("localhost:8080", system.gateway_url)
        command = re.sub(r"\bada\b", name, command)
        done = subprocess.run(
            ["bash", "-c", f"{command} --silent --show-error"],
            cwd=tmp_path,
            env={**variables(found, command), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        assert shape(done.stdout) >= shape(documented), done.stdout
        found |= dict(COPIED.findall(done.stdout))
    assert found.keys() == {"access_token", "id", "secret", "login"}


def variables(found: dict[str, str], command: str) -> dict[str, str]:
    """What a reader has copied by then. The login takes the next code of the app."""
    at = int(time.time()) + 30 * ("second_factor" in command)
    code = TOTP(found["secret"]).at(at) if "secret" in found else ""
    copied = {"TOKEN": "access_token", "FACTOR": "id", "LOGIN": "login"}
    return {"CODE": code} | {name: found.get(key, "") for name, key in copied.items()}


def shape(answer: str) -> set[str]:
    """The status, the header names and the members of an answer."""
    status = re.findall(r"^HTTP/1.1 (\d+)", answer, re.M)
    headers = re.findall(r"^([A-Z][\w-]+): ", answer, re.M)
    return {*status, *headers, *re.findall(r'"(\w+)":', answer)}
