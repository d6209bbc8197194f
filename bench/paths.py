"""Every path: ours beside its opponents, at one to 64 connections."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import Any

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
    able, skipped = [], {}
    for opponent in everybody:
        print(f"  setting up {opponent.name} ...", file=sys.stderr, flush=True)
        try:
            opponent.prepare()
        except NotAvailable as exc:
            skipped[opponent.name] = str(exc)
            shout(opponent.name, exc)
        else:
            able.append(opponent)
    return able, skipped


@contextmanager
def running(
    contenders: Sequence[Contender], skipped: dict[str, str]
) -> Iterator[list[Contender]]:
    """Those that run now; nobody else's process is there to disturb."""
    with ExitStack() as stack:
        able = []
        for contender in contenders:
            stack.callback(contender.stop)
            try:
                contender.start()
            except NotAvailable as exc:
                skipped[contender.name] = str(exc)
                shout(contender.name, exc)
            else:
                able.append(contender)
        yield able


def shout(name: str, exc: Exception) -> None:
    print(f"!! {name.upper()} IS LEFT OUT: {exc}", file=sys.stderr, flush=True)
