"""A real browser without a window: Chromium, by DevTools protocol over two pipes."""

import json
import os
import select
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from deploy.tests.waiting import wait_until

TIMEOUT = 20.0  # seconds for an answer of the browser, or of a page
# Every name is this machine, nothing else is fetched, and any certificate will do.
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--ignore-certificate-errors", "--host-resolver-rules=MAP * 127.0.0.1",
    "--remote-debugging-pipe",
)  # fmt: skip

WHOLE = "document.readyState === 'complete'"
KEYS = {"Tab": (9, ""), "Enter": (13, "\r")}  # their codes, and the text they make
# An authenticator in a phone: it verifies its user, and keeps passkeys.
PHONE = {
    **{"protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": "internal"},
    **{"hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True},
    "automaticPresenceSimulation": True,
}


class Browser:
    """One browser of one user: what its pages share are the cookies."""

    def __init__(self, program: str, folder: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self.buffer, self.last = b"", 0
        theirs_in, self.out = os.pipe()
        self.inp, theirs_out = os.pipe()
        # The browser knows them as 3 and 4.
        start = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
        options = [*OPTIONS, f"--user-data-dir={folder}"]
        self.process = subprocess.Popen(
            ["bash", "-c", start, program, *options],
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.inp)
        os.close(self.out)

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """A method of the protocol, and what it returns."""
        self.last += 1
        message: dict[str, Any] = {"id": self.last, "method": method}
        message |= {"params": parameters} | ({"sessionId": session} if session else {})
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while (answer := self.receive()).get("id") != self.last:
            self.events.append(answer)
        if error := answer.get("error"):
            raise ProtocolError(f"{method}: {error}")
        return answer["result"]

    def receive(self) -> dict[str, Any]:
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.inp], [], [], TIMEOUT)
            assert ready, "the browser is silent"
            chunk = os.read(self.inp, 1 << 20)
            assert chunk, "the browser is gone"
            self.buffer += chunk
        text, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(text)

    def cookies(self) -> dict[str, dict[str, Any]]:
        """Those it holds, by name, HttpOnly ones too."""
        found = self.call("Storage.getCookies")["cookies"]
        return {cookie["name"]: cookie for cookie in found}

    def forget(self) -> None:
        self.call("Storage.clearCookies")

    def tab(self, **options: Any) -> "Page":
        """A new one, without a page yet."""
        created = self.call("Target.createTarget", url="about:blank", **options)
        target = created["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        page = Page(self, attached["sessionId"])
        page.call("Network.enable")
        return page

    def open(self, url: str, *, elsewhere: bool = False) -> "Page":
        """In a new tab; of another browser, which has none of these cookies."""
        other = self.call("Target.createBrowserContext") if elsewhere else {}
        page = self.tab(**other)
        page.go(url)
        return page


class ProtocolError(Exception):
    """The browser has not done what was asked."""


class Page:
    """A tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser, self.session = browser, session

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **parameters)

    def go(self, url: str) -> None:
        went = self.call("Page.navigate", url=url)
        assert "errorText" not in went, f"{url}: {went}"
        # A page may remove what is behind the #.
        here = json.dumps(url.partition("#")[0])
        self.wait_until(f"location.href.startsWith({here})", url)

    def add_phone(self) -> None:
        """A virtual authenticator, with which passkeys work on this page."""
        self.call("WebAuthn.enable")
        self.call("WebAuthn.addVirtualAuthenticator", options=PHONE)

    def wait_until(self, condition: str, what: str) -> None:
        """Until the page is whole and this expression true. A page that makes room for
        another says nothing meanwhile."""

        def is_true() -> bool:
            with suppress(ProtocolError):
                return bool(self.run(f"{WHOLE} && ({condition})"))
            return False

        wait_until(is_true, TIMEOUT, what)

    def press(self, key: str) -> None:
        """Tab or Enter."""
        code, text = KEYS[key]
        named = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        for kind, more in (("keyDown", {"text": text} if text else {}), ("keyUp", {})):
            self.call("Input.dispatchKeyEvent", type=kind, **named, **more)

    def type(self, text: str) -> None:
        """Into what has the focus."""
        self.call("Input.insertText", text=text)

    def run(self, script: str) -> Any:
        """The value of an expression on the page; a promise's, when it has one."""
        answer = self.call(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def fetch(self, url: str, **options: Any) -> dict[str, Any]:
        """What a script of the page gets: status and text, or that it was blocked."""
        given = json.dumps({"credentials": "include", **options})
        found: dict[str, Any] = self.run(
            f"fetch({json.dumps(url)}, {given}).then("
            "async r => ({status: r.status, type: r.type, text: await r.text()}),"
            "e => ({status: 0, type: 'blocked', text: String(e)}))"
        )
        return found

    def sent(self, path: str) -> dict[str, Any]:
        """Of the last request for a path: which cookies went along, which were held
        back and why, and the status that came back, which a script may not see."""
        self.run("new Promise(done => setTimeout(done, 50))")  # its events have come
        events = [event["params"] for event in self.browser.events]
        asked = [
            each for each in events
            if path in each.get("headers", {}).get(":path", "")
            or path in each.get("request", {}).get("url", "")
        ]  # fmt: skip
        identity = asked[-1]["requestId"]
        mine = [each for each in events if each.get("requestId") == identity]
        cookies = [c for each in mine for c in each.get("associatedCookies", ())]
        return {
            "cookies": {
                c["cookie"]["name"] for c in cookies if not c["blockedReasons"]
            },
            "blocked": {r for c in cookies for r in c["blockedReasons"]},
            "status": [each["statusCode"] for each in mine if "statusCode" in each][-1],
        }
