"""Out of a failed program's output, the one line that a person needs."""

import re

TRACEBACK = "Traceback (most recent call last):"
# Its text is written for people; any other exception says more with its name.
SPOKEN = "django.core.exceptions.ImproperlyConfigured: "
# In production a service says it without a traceback (shared.env).
REFUSAL = re.compile(r"^ImproperlyConfigured: (.+)$", re.MULTILINE)
PLACE = re.compile(r'^ +File "([^<"][^"]*)", line (\d+)', re.MULTILINE)


def reason(output: str) -> str:
    """What the last traceback ends with, or a refusal; empty when there is neither."""
    if refusals := REFUSAL.findall(output):
        return str(refusals[-1])
    _, found, traceback = output.rpartition(TRACEBACK)
    lines = [line for line in traceback.splitlines() if line and not line[0].isspace()]
    if not found or not lines:
        return ""
    if lines[0].startswith(SPOKEN):
        return lines[0].removeprefix(SPOKEN)
    places = PLACE.findall(traceback)
    return lines[0] + (f" ({places[-1][0]}:{places[-1][1]})" if places else "")
