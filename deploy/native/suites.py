"""The suites of `./manage_all.sh test`: for each name, the commands it runs."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import passthrough, tools
from .layout import Layout
from .problems import Problem
from .programs import Command
from .services import Service

SYSTEM = ("system", "attack", "chaos", "timing", "browser", "compose")
SKIPPED_FOLDERS = {".git", ".run", ".venv", "node_modules"}


@dataclass(frozen=True)
class Step:
    """One command of a suite."""

    command: Command
    cwd: Path
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """A name, its steps, and whether they need a running stack."""

    name: str
    steps: Callable[[], list[Step]]
    needs_stack: bool = False


def all_suites(layout: Layout, services: Sequence[Service]) -> list[Suite]:
    """In order: what is quick to fail first, the whole system last."""
    make = Maker(layout, services)
    return [
        Suite("lint", make.lint),
        Suite("shellcheck", make.shellcheck),
        Suite("types", make.types),
        Suite("audit", make.audit),
        Suite("deploycheck", make.deploy_check),
        Suite("schema", make.schema),
        Suite("migrations", make.migrations, needs_stack=True),
        Suite("shared", make.shared, needs_stack=True),
        *(
            Suite(service.name, make.suite_of(service), needs_stack=True)
            for service in services
        ),
        Suite("nginx", make.gateway),
        Suite("system", make.system, needs_stack=True),
        Suite("security", make.security, needs_stack=True),
        Suite("native", make.native),
    ]


def model(layout: Layout, services: Sequence[Service], env: dict[str, str]) -> Suite:
    """The sessions against their model, for as long as `env` says: docs/model.md."""
    make = Maker(layout, services)
    return Suite("model", lambda: make.model(env), needs_stack=True)


class Maker:
    """The steps of each suite, for the checkout or for a copy of it at `root`."""

    def __init__(
        self, layout: Layout, services: Sequence[Service], root: Path | None = None
    ) -> None:
        self.layout = layout
        self.services = services
        self.root = root or layout.root
        # Whatever the checks write goes under .run/: the checkout may be read-only.
        cache = layout.base / "cache"
        self.caches = {
            "RUFF_CACHE_DIR": str(cache / "ruff"),
            "MYPY_CACHE_DIR": str(cache / "mypy"),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(cache / "hypothesis"),
            "COVERAGE_FILE": str(cache / "coverage"),
        }

    def lint(self) -> list[Step]:
        ours = ("--config", 'extend-exclude=[".run"]', ".")
        return [
            self._module(self.root, "ruff", "check", *ours),
            self._module(self.root, "ruff", "format", "--check", *ours),
        ]

    def shellcheck(self) -> list[Step]:
        program = self.layout.venv / "bin" / "shellcheck"
        return [Step([program, *self._scripts()], self.root, self._env())]

    def types(self) -> list[Step]:
        """Once per service, since the Django plugin loads one settings module; then
        for `shared`, and for what is standard library only."""
        steps = [
            self._django(service, "mypy", "--config-file", "../pyproject.toml", ".")
            for service in self.services
        ]
        own_settings = {"DJANGO_SETTINGS_MODULE": "shared.tests.settings"}
        native = self.root / "deploy" / "native" / "mypy.ini"
        plain = ["mypy", "--config-file", str(native)]
        steps += [
            self._module(self.root, "mypy", "shared", **own_settings),
            self._module(self.root, *plain, "-p", "deploy.native"),
            self._module(self.root / "nginx", *plain, "render.py"),
        ]
        return steps

    def audit(self) -> list[Step]:
        """With the caller's environment: a proxy may be the only way to a database."""
        native = self.root / "deploy" / "native"
        command: Command = [sys.executable, "-I", native, "audit"]
        return [Step(command, self.root, dict(os.environ))]

    def deploy_check(self) -> list[Step]:
        """As it would be deployed: production, https."""
        production = {
            "ENVIRONMENT": "production",
            "DEBUG": "false",
            "COOKIE_SECURE": "true",
            "JWT_ISSUER": "https://memo.example",
            "ALLOWED_HOSTS": "memo.example",
        }
        words = ("manage.py", "check", "--deploy", "--fail-level", "WARNING")
        return [self._django(each, *words, **production) for each in self.services]

    def schema(self) -> list[Step]:
        words = ("manage.py", "spectacular", "--validate", "--fail-on-warn")
        target = ("--file", os.devnull)
        return [self._django(each, *words, *target) for each in self.services]

    def migrations(self) -> list[Step]:
        words = ("manage.py", "makemigrations", "--check", "--dry-run")
        return [self._django(each, *words) for each in self.services]

    def shared(self, *words: str) -> list[Step]:
        first = self.services[0]
        env = passthrough.env(self.layout, first, owner=True)
        return [self._pytest("shared", self.root, words, env)]

    def suite_of(self, service: Service) -> Callable[..., list[Step]]:
        def steps(*words: str) -> list[Step]:
            env = passthrough.env(self.layout, service, owner=True)
            return [self._pytest(service.name, service.project, words, env)]

        return steps

    def gateway(self, *words: str) -> list[Step]:
        """`words` as pytest has them: tests, in place of all, and options."""
        words = words or ("nginx/tests",)
        return [self._pytest("nginx", self.root, words, self._env())]

    def system(self, *words: str) -> list[Step]:
        """`words` as pytest has them: tests, in place of all, and options."""
        chromium = {} if words else {"MEMO_CHROMIUM": self._chromium()}
        words = words or tuple(f"deploy/tests/{name}" for name in SYSTEM)
        return [self._pytest("system", self.root, words, {**self._env(), **chromium})]

    def _chromium(self) -> str:
        """A browser; where there is none, its tests say so and are skipped."""
        try:
            return tools.ensure(self.layout, tools.CHROMIUM)
        except Problem as problem:
            print(f"memo: {problem}", flush=True)
            return ""

    def native(self, *words: str) -> list[Step]:
        env = {**self._env(), "MEMO_CACHE_DIR": str(self.layout.cache)}
        words = words or ("deploy/native/tests",)
        return [self._pytest("native", self.root, words, env)]

    def security(self, *words: str) -> list[Step]:
        """Whether the tests of docs/security.md can fail: ten of them, or `words`."""
        return [self._module(self.root, "deploy.native.mutants", *words)]

    def fuzz(self, seed: int, examples: int) -> list[Step]:
        """Of all suites the tests that fuzz, by this seed."""
        words = ["-q", "-m", "fuzz", f"--hypothesis-seed={seed}"]
        chance = {"FUZZ_EXAMPLES": str(examples), "FUZZ_SEED": str(seed)}
        steps = [*self.shared(), *self.gateway(), *self.system("deploy/tests/system")]
        for service in self.services:
            steps += self.suite_of(service)()
        return [
            Step([*step.command, *words], step.cwd, {**step.env, **chance})
            for step in steps
        ]

    def model(self, env: dict[str, str]) -> list[Step]:
        auth = next(service for service in self.services if service.name == "auth")
        owner = passthrough.env(self.layout, auth, owner=True)
        ours, whole = ["-s", "tests/model"], ["-s", "deploy/tests/system/test_model.py"]
        return [
            self._pytest("model", auth.project, ours, {**owner, **env}),
            self._pytest("model", self.root, whole, {**self._env(), **env}),
        ]

    def _env(self) -> dict[str, str]:
        """For what belongs to no service: the stack by its name."""
        env = passthrough.env(self.layout, self.services[0], owner=False)
        env.pop("ENV_FILE", None)
        return {**env, **self.caches, "MEMO_STACK": self.layout.stack}

    def _django(self, service: Service, *words: str, **env: str) -> Step:
        """A module or manage.py in the folder and settings of one service."""
        settings = {
            **passthrough.env(self.layout, service, owner=True),
            **self.caches,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "MYPYPATH": "..",
        }
        module = [] if words[0] == "manage.py" else ["-m"]
        command: Command = [self.layout.python, *module, *words]
        return Step(command, service.project, {**settings, **env})

    def _module(self, cwd: Path, *words: str, **env: str) -> Step:
        command: Command = [self.layout.python, "-m", *words]
        return Step(command, cwd, {**self._env(), **env})

    def _pytest(
        self, name: str, cwd: Path, words: Sequence[str], env: dict[str, str]
    ) -> Step:
        scratch = self.layout.base / "tmp" / f"pytest-{name}"
        scratch.parent.mkdir(exist_ok=True)
        options = ["-p", "no:cacheprovider", f"--basetemp={scratch}"]
        command: Command = [self.layout.python, "-m", "pytest", *options, *words]
        return Step(command, cwd, {**env, **self.caches})

    def _scripts(self) -> list[str]:
        """Shell scripts, by their first line."""
        found = []
        for folder, names, files in os.walk(self.root):
            names[:] = [name for name in names if name not in SKIPPED_FOLDERS]
            paths = [Path(folder, name) for name in files]
            found += [str(path) for path in paths if _is_shell_script(path)]
        return sorted(found)


def _is_shell_script(path: Path) -> bool:
    if path.suffix not in ("", ".sh") or not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline(80)
    return first.startswith(b"#!") and first.rstrip().endswith(b"sh")
