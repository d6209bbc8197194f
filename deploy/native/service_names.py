"""What a new service may be called: its name becomes a Python package, a host, a role,
a route and a word of the command line, and must mean nothing else in any of them."""

import keyword
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from .layout import Layout
from .problems import USAGE, Problem
from .services import SUFFIX

# As services.discover takes them, but without `_`: no host may have one (RFC 1123),
# and Nginx and Django refuse such a name.
PATTERN = re.compile(r"[a-z][a-z0-9]{0,18}")
REQUIREMENT = re.compile(r"^([A-Za-z0-9-]+)(?:\[[a-z,]+\])?==", re.MULTILINE)

# Of the checkout, of Django's own apps, and of every service.
PACKAGES = """
    admin auth bench config contenttypes deploy docs manage messages migrations models
    native nginx requirements serializers sessions settings shared staticfiles tests
    tokens urls users views wsgi
"""
# Packages whose distribution is called otherwise; the others are in requirements/.
MODULES = """
    argon2 attr boolean corsheaders crossplane cyclonedx environ factory gixy graphql
    dateutil jwt mypyc packageurl pip py rpds xdist yaml
"""
# Classes that modules import, whose place the model would take.
CLASSES = "any handler handlers request response"
# Users and databases of the stores, processes, routes.
SYSTEM = """
    all default gateway health memo postgres public redis static supervisor template0
    template1
"""
# Booleans and nothing, in YAML.
YAML = "false n no none null off on true y yes"
# ./manage_all.sh prefers a service to its own words, suites and Django's commands.
WORDS = """
    attack audit changepassword chaos check clearsessions collectstatic
    compilemessages createcachetable createsuperuser dbshell demo deploycheck destroy
    diffsettings doctor down dumpdata findstatic flush fuzz generateschema help init
    inspectdb lint loaddata local logs makemessages makemigrations migrate model mutate
    ogrinspect optimizemigration removeservice restart rotateapikeys runserver sbom
    schema security sendtestemail shell shellcheck showmigrations spectacular sqlflush
    sqlmigrate sqlsequencereset squashmigrations start startapp startproject
    startservice status stop supervise system test testserver types up verify
"""
GROUPS = (PACKAGES, MODULES, CLASSES, SYSTEM, YAML, WORDS)
RESERVED = frozenset(word for group in GROUPS for word in group.split())


def model_name(name: str) -> str:
    """What one of them is called: `Note` for `notes`."""
    return (name.removesuffix("s") or name).capitalize()


def check(layout: Layout, name: str) -> None:
    """A Problem that tells what is wrong with the name."""
    reason = _fault(layout, name)
    if reason:
        hint = "Up to 19 lower-case letters and digits, such as `notes` or `billing`."
        raise Problem(f"`{name}` cannot be a service: {reason}", hint=hint, code=USAGE)


def _fault(layout: Layout, name: str) -> str:
    if not PATTERN.fullmatch(name):
        return "it becomes a host name and a package, which is written otherwise."
    for path in code_of(layout.root, name):
        if path.exists():
            return f"{path.relative_to(layout.root)} is there."
    if keyword.iskeyword(name) or keyword.iskeyword(model_name(name)):
        return "it is a word of Python."
    if {name, model_name(name).lower()} & RESERVED or name in _commands(layout):
        return "the word has a meaning here."
    if name in sys.stdlib_module_names or name in set(_installed(layout)):
        return "a module of that name exists, and would be hidden by it."
    return ""


def code_of(root: Path, name: str) -> tuple[Path, Path]:
    """The folder of a service, and its routes at the gateway."""
    return root / f"{name}{SUFFIX}", root / "nginx" / "services" / f"{name}.conf"


def _commands(layout: Layout) -> set[str]:
    """What manage.py knows in the services there are."""
    found = layout.root.glob("*_project/*/management/commands/*.py")
    return {path.stem for path in found}


def _installed(layout: Layout) -> Iterator[str]:
    """Modules of the environment, and what the requirements will bring."""
    for path in layout.venv.glob("lib/python*/site-packages/*"):
        yield path.name.partition(".")[0]
    for path in (layout.root / "requirements").glob("*.txt"):
        yield from REQUIREMENT.findall(path.read_text(encoding="utf-8"))
