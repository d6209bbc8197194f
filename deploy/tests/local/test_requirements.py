"""The pinned requirements can be installed next year too."""

import re
from importlib.metadata import distributions
from pathlib import Path
from zipfile import ZipFile

import pytest

from deploy.tests.wheel import build_wheel

ROOT = Path(__file__).parents[3]
REQUIREMENTS = ROOT / "requirements"
FILES = pytest.mark.parametrize(
    "file", ["runtime.txt", "local.txt", "dev.txt", "verify.txt"]
)
# Older ones have faults that are known, or do not do what is built on (SECURITY 0.1).
FLOORS = {
    "pyjwt": "2.15.1",
    "djangorestframework": "3.18.2",
    "djangorestframework-simplejwt": "5.5.1",
    "django": "5.2.19",
    "gunicorn": "27.0.0",
    "psycopg": "3.3.0",
    "django-redis": "7.0.0",
    "requests": "2.34.0",
    "argon2-cffi": "25.1.0",
    "procrastinate": "3.10.0",
}
WITH_EXTRA = re.compile(r"([A-Za-z0-9._-]+)\[([a-z0-9,_-]+)\]")


def pins(file: str) -> dict[str, tuple[str, str]]:
    """Version and the rest of what is said of each package, by its name."""
    text = re.sub(r"^ *#.*\n", "", (REQUIREMENTS / file).read_text(), flags=re.M)
    found = {}
    for line in text.replace("\\\n", " ").splitlines():
        match = re.fullmatch(r"([^ =[]+).*?==(\S+)(.*)", line)
        assert match, line
        found[match[1]] = match[2], match[3]
    return found


@FILES
def test_every_package_is_pinned_to_one_release_and_its_files(file: str) -> None:
    """OPS-08: no other file is ever installed, whatever the index answers."""
    for name, (version, rest) in pins(file).items():
        assert re.fullmatch(r"[0-9][0-9a-z.]*", version), name
        words = re.sub(r" ; .*?(?= --hash|$)", "", rest).split()
        assert words, f"{name} has no hash"
        for word in words:
            assert re.fullmatch("--hash=sha256:[0-9a-f]{64}", word), f"{name}: {word}"


@pytest.mark.parametrize("file", ["runtime.txt", "verify.txt"])
def test_what_runs_is_what_is_tested(file: str) -> None:
    """And `verify` replaces nothing that `test` has."""
    tested = pins("dev.txt")
    for name, (version, _) in pins(file).items():
        own = file == "verify.txt" and name not in tested
        assert own or tested[name][0] == version, name


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_what_runs_is_no_older_than_its_floor(name: str, floor: str) -> None:
    versions = (pins("runtime.txt")[name][0], floor)
    found, least = ([int(part) for part in each.split(".")] for each in versions)
    assert found >= least


@FILES
def test_an_extra_that_a_package_asks_for_is_pinned_with_it(file: str) -> None:
    """Else pip takes the newest release for it, which has no hash here: so everything
    is installed until there is one, and nothing after that (seen with pip 23.0)."""
    pinned = set(re.findall(r"^(\S+)==", (REQUIREMENTS / file).read_text(), re.M))
    names = {each.partition("[")[0] for each in pinned}
    for distribution in (x for x in distributions() if x.name.lower() in names):
        for wanted in distribution.requires or []:
            match = WITH_EXTRA.match(wanted)
            if match and "extra ==" not in wanted:
                assert match[0] in pinned, f"{distribution.name} wants {match[0]}"


def test_the_wheel_of_shared_declares_what_it_needs(tmp_path: Path) -> None:
    """A service outside of the checkout gets it all by this one file."""
    with ZipFile(build_wheel(tmp_path)) as wheel:
        files = wheel.namelist()
        [metadata] = [name for name in files if name.endswith("/METADATA")]
        needed = wheel.read(metadata).decode().count("\nRequires-Dist: ")
    lines = (ROOT / "requirements" / "runtime.in").read_text().splitlines()
    assert needed == len([x for x in lines if x and not x.startswith("#")]) > 10
    assert "shared/settings.py" in files
    assert not [name for name in files if "/tests/" in name or "_project" in name]
