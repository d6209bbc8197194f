"""Whatever the pages say, they say in German too."""

import ast
import re
from pathlib import Path

import polib
import pytest
from django.conf import settings
from django.utils import translation

USERS = Path(settings.BASE_DIR) / "users"
SOURCES = [USERS / f"{name}.py" for name in ("errors", "passwords", "validators")]
SOURCES += USERS.glob("pages/*.py")
MARKS = {"_", "gettext", "gettext_lazy", "ngettext_lazy"}
BLOCK = re.compile(
    r'{% translate "(.+?)" %}|{% blocktranslate trimmed %}(.+?){% endblocktranslate %}',
    re.S,
)


def messages():
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in MARKS:
                yield node.args[0].value
    for template in USERS.glob("templates/account/*.html"):
        for short, long in BLOCK.findall(template.read_text()):
            yield re.sub(r"{{ (\w+) }}", r"%(\1)s", short or " ".join(long.split()))


def placeholders(text):
    return sorted(re.findall(r"%\(\w+\)\w|{\w+}", text))


@pytest.mark.parametrize("message", sorted({*messages()}))
def test_a_text_is_translated_with_all_that_it_names(message):
    with translation.override("de"):
        german = translation.gettext(message)
        if german == message:  # one with a plural is kept apart
            german = translation.ngettext(message, f"{message}s", 1)
    assert german != message
    assert placeholders(german) == placeholders(message)


def test_the_compiled_texts_are_those_of_the_source():
    """`msgfmt django.po -o django.mo` in its folder."""
    path = USERS / "locale/de/LC_MESSAGES/django.po"
    source, compiled = polib.pofile(path), polib.mofile(path.with_suffix(".mo"))
    texts = [
        {entry.msgid: (entry.msgstr, entry.msgstr_plural) for entry in catalogue}
        for catalogue in (source, compiled)
    ]
    assert texts[0] == texts[1]
