"""The form of an answer: no 5xx but the documented 503, no cookie lost with it."""

from deploy.tests.chaos.expected_state import Account
from deploy.tests.chaos.violations import Reporter
from deploy.tests.chaos.wire import NONE, Answer

RECOVERY = 10.0  # seconds
CUT_SHORT = "ChunkedEncodingError"  # of `requests`: less came than was announced
UNAVAILABLE = ("dependency_unavailable", "upstream_unavailable", "overloaded")


class FormChecker(Reporter):
    """Asked about every answer, whatever it is an answer to."""

    def form(self, account: Account, sid: str, answer: Answer, way: str) -> None:
        """No 5xx but the documented 503; no answer missing without a reason; a cookie
        is never cleared where the client is to try again."""
        self.ledger.note(account, sid, answer)
        if answer.unknown:
            self.timeline.infer(answer.begun, answer.ended)
        if answer.status == NONE:
            self.expect_trouble(account, sid, answer, way)
        elif answer.status >= 500 and not is_documented(answer):
            what = f"{answer.kind}: {answer.status} {answer.headers} {answer.body}"
            self.report("undocumented error", what, account, sid)
        elif answer.status in (429, 503) and answer.cookie == "":
            self.report("cookie cleared", f"{answer}", account, sid)

    def expect_trouble(
        self, account: Account, sid: str, answer: Answer, way: str
    ) -> None:
        """A connection may break where its way, or whoever answers, is in trouble.

        Through the gateway a service is seen by an answer that ends in its middle: it
        was killed between the headers and the body, and 200 had been said.
        """
        parts = ("front", "gateway") if way == "front" else (way,)
        if answer.lost == CUT_SHORT:
            parts += ("auth", "users")
        since = answer.begun - RECOVERY
        if not self.timeline.touching(parts, since, answer.ended):
            self.report("no answer", f"{answer.kind}: {answer.lost}", account, sid)


def is_documented(answer: Answer) -> bool:
    """503 as docs/errors.md has it."""
    retry = answer.headers.get("retry-after", "")
    return (
        answer.status == 503
        and answer.headers.get("content-type") == "application/problem+json"
        and answer.code in UNAVAILABLE
        and retry.isdecimal()
        and int(retry) >= 1
    )
