"""Every path: ours beside its opponents, at one to 64 connections."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from operator import methodcaller
from typing import Any, TypeVar

from .contenders import Contender, NotAvailable, Opponent
from .opponents import BetterAuth, FastAPI, Floor, Stock, StockWithoutBlacklist
from .ours import Ours
from .processes import pss
from .rounds import Plan, compare, hash_cost
from .stack import Stack

PATHS = ("me", "verify_token", "refresh", "login", "register", "jwks", "mixed")
CONNECTIONS = (1, 4, 16, 64)
MAIN = 16  # of the table
# Hashing takes so long that a short round would see only a few answers, and with many
# connections none at all: 64 log-ins of the slowest take eight seconds.
LONGER = {"login": 3}

Who = TypeVar("Who", bound=Contender)


def measure(
    stack: Stack, names: Sequence[str], plan: Plan, connections: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """What there is after each of the named paths: the cells, the memory of all who
    ran, who was left out, and the cost of a hash."""
    stack.seed(2000)
    ours, gateway = Ours(stack), Ours(stack, gateway=True)
    opponents, skipped = prepared(stack, ours)
    found: dict[str, Any] = {
        "cells": [],
        "memory": {},
        "skipped": skipped,
        "hash": hash_cost(),
        "cores": os.cpu_count(),
    }
    for path in names:
        rivals = [each for each in opponents if path in each.paths]
        with running([ours, *rivals, gateway], skipped) as contenders:
            for number in connections:
                size = plan_for(path, number, plan)
                cells = compare(stack, contenders, path, number, size)
                found["cells"] += [asdict(cell) for cell in cells]
            found["memory"] |= {each.name: pss(each.pids()) for each in contenders}
        yield found


def plan_for(path: str, connections: int, plan: Plan) -> Plan:
    """The table's cells are measured more often than the others."""
    seconds = plan.seconds * LONGER.get(path, 1)
    if path in LONGER and connections > MAIN:
        seconds *= 3
    return replace(plan, seconds=seconds) if connections == MAIN else Plan(2, seconds)


def prepared(stack: Stack, ours: Ours) -> tuple[list[Opponent], dict[str, str]]:
    """Those that could be set up, and why the others could not."""
    everybody: list[Opponent] = [
        Floor(stack, ours),
        Stock(stack),
        StockWithoutBlacklist(stack),
        FastAPI(stack, ours),
        BetterAuth(stack),
    ]
    skipped: dict[str, str] = {}
    return list(those_who_can(set_up, everybody, skipped)), skipped


def set_up(opponent: Opponent) -> None:
    print(f"  setting up {opponent.name} ...", file=sys.stderr, flush=True)
    opponent.prepare()


@contextmanager
def running(
    contenders: Sequence[Contender], skipped: dict[str, str]
) -> Iterator[list[Contender]]:
    """Those that run now; nobody else's process is there to disturb."""
    with ExitStack() as stack:
        for contender in contenders:
            stack.callback(contender.stop)
        yield list(those_who_can(methodcaller("start"), contenders, skipped))


def those_who_can(
    act: Callable[[Who], None], contenders: Sequence[Who], skipped: dict[str, str]
) -> Iterator[Who]:
    """Those whom an act succeeds for; the others are left out, loudly."""
    for contender in contenders:
        try:
            act(contender)
        except NotAvailable as exc:
            skipped[contender.name] = str(exc)
            shout(contender.name, exc)
        else:
            yield contender


def shout(name: str, exc: Exception) -> None:
    print(f"!! {name.upper()} IS LEFT OUT: {exc}", file=sys.stderr, flush=True)
