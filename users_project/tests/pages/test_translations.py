"""Whatever mails and pages say, they say in every language."""

import ast
import re
from pathlib import Path

import polib
import pytest
from django.conf import settings

USERS = Path(settings.BASE_DIR) / "users"
SOURCES = [USERS / f"{name}.py" for name in ("errors", "validators")]
SOURCES += [USERS / "passwords" / "__init__.py"]
FACTORS = ("changes", "forms", "registration")
SOURCES += [USERS / "factors" / f"{name}.py" for name in FACTORS]
SOURCES += USERS.glob("pages/*.py")
MARKS = {"_", "gettext", "gettext_lazy", "ngettext_lazy"}
BLOCK = re.compile(
    r'{% translate "(.+?)" %}|'
    r"{% blocktranslate trimmed.*? %}(.+?){% endblocktranslate %}",
    re.S,
)


def of_code():
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in MARKS:
                yield node.args[0].value


def of_templates():
    folders = [USERS / "templates" / name for name in ("account", "mail")]
    for template in (path for folder in folders for path in folder.iterdir()):
        for short, long in BLOCK.findall(template.read_text()):
            yield re.sub(r"{{ (\w+) }}", r"%(\1)s", short or " ".join(long.split()))


def placeholders(text):
    return sorted(re.findall(r"%\(\w+\)\w|{\w+}", text))


@pytest.mark.parametrize("code", dict(settings.LANGUAGES).keys() - {"en"})
def test_every_text_is_translated_and_compiled(code):
    """With all that it names. `docs/mail.md` has the commands."""
    path = USERS / "locale" / code / "LC_MESSAGES" / "django.po"
    source, compiled = polib.pofile(path), polib.mofile(path.with_suffix(".mo"))
    assert {entry.msgid for entry in source} == {*of_code(), *of_templates()}
    for entry in source:
        assert entry.translated(), entry.msgid
        for text in entry.msgstr_plural.values() or [entry.msgstr]:
            assert text != entry.msgid
            assert placeholders(text) == placeholders(entry.msgid)
    texts = [
        {entry.msgid: (entry.msgstr, entry.msgstr_plural) for entry in catalogue}
        for catalogue in (source, compiled)
    ]
    assert texts[0] == texts[1]
