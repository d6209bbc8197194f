"""Who has an account is told to nobody who only asks (PWD-06, REG-03; the time that an
answer takes is measured elsewhere)."""

from typing import Any

from deploy.tests.attack.account import LOGIN, REGISTER, Account
from deploy.tests.attack.target import Target
from deploy.tests.attack.wire import refused
from nginx.tests.gateway_rig import Answer

# These differ from answer to answer whatever is asked.
OWN = {"date", "x-request-id"}


def told(answer: Answer) -> tuple[int, bytes, list[tuple[str, str]]]:
    identity = answer.one("X-Request-ID").encode()
    headers = [(n, v) for n, v in answer.headers if n.lower() not in OWN]
    return answer.status, answer.body.replace(identity, b""), headers


def log_in(target: Target, **credentials: Any) -> Answer:
    return target.ask("POST", LOGIN, value=credentials)


def test_an_unknown_name_and_a_wrong_password_are_alike(
    target: Target, somebody: Account
) -> None:
    """Byte by byte, for the e-mail address and for the username."""
    nobody = Account(target)
    answers = [
        log_in(target, email=somebody.email, password="Wrong-horse-1"),
        log_in(target, email=nobody.email, password="Wrong-horse-1"),
        log_in(target, username=somebody.name, password="Wrong-horse-1"),
        log_in(target, username=nobody.name, password="Wrong-horse-1"),
    ]
    for answer in answers:
        refused(answer, 401, "invalid_credentials")
        assert not answer.all("Set-Cookie")
        assert told(answer) == told(answers[0])


def test_so_they_stay_however_often_it_is_tried(
    target: Target, somebody: Account
) -> None:
    """BF-04: no lock, and no wait, tells that there is something to be locked."""
    nobody = Account(target)
    sources = ("127.9.9.1", "127.8.8.1") if target.is_local else ("", "")
    tried: list[list[tuple[int, str]]] = []
    for email, source in zip((somebody.email, nobody.email), sources, strict=True):
        seen = []
        for _ in range(8):
            data = attempt(target, email)
            answer = target.answer(data, "POST", source)
            seen.append((answer.status, answer.json()["code"]))
        tried.append(seen)
    assert tried[0] == tried[1]
    assert {status for status, _ in tried[0]} <= {401, 429}


def attempt(target: Target, email: str) -> bytes:
    body = f'{{"email": "{email}", "password": "Wrong-horse-1"}}'
    return (
        f"POST {LOGIN} HTTP/1.1\r\nHost: {target.netloc}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def test_other_spellings_of_a_name_are_the_same_name(
    target: Target, somebody: Account
) -> None:
    """REG-01: nobody registers beside somebody, and all lead to the one account."""
    for text in (somebody.email.upper(), f" {somebody.email}", f"{somebody.email} "):
        answer = Account(target).register(email=text)
        refused(answer, 409, "account_exists")
    answer = Account(target).register(username=somebody.name.upper())
    refused(answer, 409, "account_exists")


def test_a_taken_address_and_a_taken_name_are_alike(
    target: Target, somebody: Account
) -> None:
    """That something is taken has to be said (REG-03 says why); which of them, not."""
    email = Account(target).register(email=somebody.email)
    username = Account(target).register(username=somebody.name)
    both = somebody.register()
    for answer in (email, username, both):
        refused(answer, 409, "account_exists")
        assert told(answer) == told(email)
        assert somebody.email.encode() not in answer.body


def test_a_bad_registration_tells_nothing_of_a_good_name(
    target: Target, somebody: Account
) -> None:
    """What is wrong is said before anybody looks whether the name is taken."""
    fields = {"email": somebody.email, "username": somebody.name, "password": "short"}
    taken = target.ask("POST", REGISTER, value=fields)
    nobody = Account(target)
    fields |= {"email": nobody.email, "username": nobody.name}
    free = target.ask("POST", REGISTER, value=fields)
    refused(taken, 400, "validation_error")
    assert told(taken) == told(free)
