"""Ports: chosen once, never another's, and who holds one."""

import os
from collections.abc import Callable

import pytest

from deploy.local.problems import Problem
from deploy.local.setup import configure, ports
from deploy.local.setup.layout import Layout
from deploy.local.setup.ports import GATEWAY, Ports


def choose(layout: Layout) -> Ports:
    found = Ports(layout, running=False)
    found.release()
    return found


def test_a_chosen_port_stays_and_is_held_until_it_is_released(layout: Layout) -> None:
    """So two checkouts that start in the same second get different ports."""
    first, second = (Ports(layout, running=False) for _ in range(2))
    assert not set(first.chosen.values()) & set(second.chosen.values())
    first.release()
    second.release()
    configure.write(layout, first)
    assert choose(layout).chosen == first.chosen
    assert first.url == f"http://localhost:{first.chosen[GATEWAY]}"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0"])
def test_another_port_is_chosen_for_a_taken_one_and_printed(
    layout: Layout,
    listener: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    host: str,
) -> None:
    try:
        taken = listener(host)
    except OSError:
        pytest.skip("no IPv6 here")
    monkeypatch.setitem(ports.PREFERRED, GATEWAY, taken)
    found = choose(layout)
    assert found.chosen[GATEWAY] != taken
    said = capsys.readouterr().out
    assert f"port {taken} is in use: held by pid {os.getpid()}" in said
    assert f"gateway gets port {found.chosen[GATEWAY]}" in said


@pytest.mark.parametrize(("stack", "name"), [("", "auth"), ("other", GATEWAY)])
def test_what_no_client_knows_moves_away_from_a_port_that_was_taken_meanwhile(
    layout: Layout, listener: Callable[..., int], stack: str, name: str
) -> None:
    """The gateway's of a named stack, too. Stacks never share a port."""
    primary = choose(layout)
    configure.write(layout, primary)
    here = Layout(layout.root, stack)
    here.make_folders()
    first = choose(here)
    assert not stack or not {*primary.chosen.values()} & {*first.chosen.values()}
    configure.write(here, first)
    listener(port=first.chosen[name])
    second = choose(here)
    changed = {x for x in first.chosen if first.chosen[x] != second.chosen[x]}
    assert changed == {name}


def test_a_port_that_clients_know_does_not_move(
    layout: Layout, listener: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTH_PORT", "many")
    with pytest.raises(Problem, match="AUTH_PORT: 'many'"):
        choose(layout)
    monkeypatch.delenv("AUTH_PORT")
    configure.write(layout, choose(layout))
    listener(port=ports.written(layout)[GATEWAY])
    with pytest.raises(Problem, match=r"\(gateway\) is in use"):
        choose(layout)


def test_the_port_that_is_proposed_is_of_no_service_here(layout: Layout) -> None:
    found = choose(layout)
    configure.write(layout, found)
    own = found.chosen.values()
    for name, port in found.chosen.items():
        way = str(ports.taken(layout, name, port)).rpartition("_PORT=")[2]
        assert int(way.split()[0]) not in own
