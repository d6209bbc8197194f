"""The front end of docs/front-end.md in a real browser: of another host of the site."""

import json

from deploy.tests.browser.account_links import make_links
from deploy.tests.client import PASSWORD, TestUser
from deploy.tests.tls_stack import APP

NEW = "a newer horse battery"
# The answers for one path, asked for without cookies, come after `release()`.
HOLD = """
const real = fetch, held = new Promise(done => { window.release = done });
window.fetch = async (url, options) => {
  if (!url.endsWith(%s)) return real(url, options);
  const answer = await real(url, {...options, credentials: "omit"});
  window.arrived = true;
  await held;
  return answer;
};
0
"""
EXPIRE = "access = access.slice(0, -8) + 'AAAAAAAA'; find('reload').requestSubmit()"


def submit(page, form, **fields):
    """Fill in a form and send it."""
    for name, text in fields.items():
        page.run(f"find({form!r}).elements[{name!r}].value = {json.dumps(text)}; 0")
    page.run(f"find({form!r}).requestSubmit()")


def says(page, text):
    message = "find('message').textContent"
    said = f"{message}.includes({text!r})"
    page.wait_until(said, text)


def is_inside(page, name):
    """Logged in as this user, or as no user."""
    shown = f"find('name').textContent === {name!r}"
    shown += f" && find('inside').hidden === {json.dumps(not name)}"
    page.wait_until(shown, f"the page of {name!r}")


def open_link(browser, url, purpose, token):
    """As a mail leads to it. The token is gone from the address at once."""
    page = browser.open(f"{url}#{purpose}={token}")
    page.wait_until("location.hash === ''", "no token")
    assert page.run(f"find({purpose!r}).hidden") is False
    return page


def test_a_user_registers_verifies_logs_in_and_resets_in_two_tabs(
    system, browser, secure
):
    url = secure.page(APP) + "front-end.html"
    first = browser.open(url)
    new = TestUser(system)
    account = {"username": new.name, "email": new.email, "password": PASSWORD}
    submit(first, "register", **account | {"password": "short"})
    says(first, "at least 8 characters")
    submit(first, "register", **account)
    says(first, "Registered.")
    name, tokens = make_links(system)
    email = f"{name}@example.org"

    confirm = open_link(browser, url, "verify", tokens["verify"])
    submit(confirm, "verify", password="wrong")
    says(confirm, "wrong")
    submit(confirm, "verify", password=PASSWORD)
    says(confirm, "The address is confirmed.")

    # A login in one tab is one in all, also in those that are opened later.
    submit(first, "login", email=email, password=PASSWORD)
    is_inside(first, name)
    is_inside(confirm, name)
    second = browser.open(url)
    is_inside(second, name)
    # Both find their token expired at the same moment, and the session lives.
    for _ in range(3):
        for page in (first, second):
            page.run(EXPIRE)
        for page in (first, second):
            renewed = "!access.endsWith('AAAAAAAA')"
            page.wait_until(renewed, "a new token")
            is_inside(page, name)
    ada = TestUser(system, name)
    ada.access = first.run("access")
    assert len(ada.sessions().json()) == 1

    reset = open_link(browser, url, "reset", tokens["reset"])
    submit(reset, "reset", new_password=NEW)
    says(reset, "The password is set")
    for page in (reset, first, second):
        is_inside(page, "")
    submit(reset, "login", email=email, password=PASSWORD)
    says(reset, "Login or password is wrong.")
    submit(reset, "login", email=email, password=NEW)
    for page in (reset, first, second):
        is_inside(page, name)
    submit(second, "logout")
    for page in (reset, first, second):
        is_inside(page, "")
    submit(first, "forgot", email=email)
    says(first, "Accepted.")


def test_a_login_in_another_tab_outlives_a_refresh_that_fails(system, browser, secure):
    url = secure.page(APP) + "front-end.html"
    first, second = browser.open(url), browser.open(url)
    ada = TestUser(system)
    assert ada.register().ok
    first.run(HOLD % json.dumps("/refresh"))
    first.run("window.refused = refresh(access).catch(problem => problem.message); 0")
    submit(second, "login", email=ada.email, password=ada.password)
    is_inside(first, ada.name)
    assert first.run("release(), refused") == "401"
    for page in (first, second):
        page.run("show()")
        is_inside(page, ada.name)


def test_an_answer_that_comes_late_is_not_shown(system, browser, secure):
    page = browser.open(secure.page(APP) + "front-end.html")
    ada = TestUser(system)
    assert ada.register().ok
    submit(page, "login", email=ada.email, password=ada.password)
    is_inside(page, ada.name)
    page.run(HOLD % json.dumps("/me"))
    page.run("window.late = show(); 0")
    page.wait_until("window.arrived", "an answer")
    submit(page, "logout")
    is_inside(page, "")
    page.run("release(), late")
    is_inside(page, "")
