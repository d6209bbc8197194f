"""Which fault comes when, by a seed; and how soon all was well after each."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from random import Random
from types import SimpleNamespace

import requests

from deploy.tests.chaos.faults import Fault, Stage
from deploy.tests.chaos.forms import RECOVERY
from deploy.tests.chaos.run import Run
from deploy.tests.chaos.target import Target
from deploy.tests.chaos.timeline import Timeline, Trouble
from deploy.tests.users import Person

PAIRS = 0.15  # the share of times at which a second fault comes with the first
HOPELESS = 3 * RECOVERY


def in_turn(faults: Sequence[Fault], rng: Random) -> Iterator[list[Fault]]:
    """All faults in an order of chance, again and again; now and then two at once,
    at different parts."""
    queue: list[Fault] = []
    while True:
        if not queue:
            queue = rng.sample(faults, len(faults))
        first = queue.pop()
        others = [each for each in faults if not set(each.parts) & set(first.parts)]
        second = [rng.choice(others)] if others and rng.random() < PAIRS else []
        yield [first, *second]


def break_until(
    end: float,
    every: float,
    faults: Sequence[Fault],
    stage: Stage,
    run: Run,
    say: Callable[[str], None],
) -> None:
    """Break something about every so many seconds. One that takes longer than that to
    be over delays the next: each has its recovery measured, alone."""
    for chosen in in_turn(faults, stage.rng):
        begun = time.monotonic()
        if begun >= end:
            return
        trouble = break_once(chosen, stage, run.target, run.timeline)
        run.checker.recovered(trouble)
        lasted = trouble.lifted - trouble.begun
        say(
            f"{trouble.name}: {lasted:.1f} s, well again {trouble.recovery:.1f} s later"
        )
        pause = every * stage.rng.uniform(0.5, 1.0) - (time.monotonic() - begun)
        time.sleep(max(0.5, pause))


def break_once(
    chosen: Sequence[Fault], stage: Stage, target: Target, timeline: Timeline
) -> Trouble:
    trouble = timeline.begin(
        " and ".join(each.name for each in chosen),
        {part for each in chosen for part in each.parts},
        flushes=any(each.flushes for each in chosen),
    )
    stage.trouble = trouble
    with ExitStack() as acts:
        for each in chosen:
            acts.enter_context(each.act(stage))
        if any(each.lasts for each in chosen):
            stage.last()
        stage.lift()
    trouble.back = time.monotonic()
    trouble.recovered = when_all_works(target, trouble.lifted + HOPELESS)
    return trouble


def when_all_works(target: Target, patience: float) -> float:
    """The time from which the whole job worked: when one began that did."""
    while (begun := time.monotonic()) < patience and not whole_job(target):
        time.sleep(0.1)
    return begun


def whole_job(target: Target) -> bool:
    """Register, log in, me, verify, refresh, log out: by somebody new."""
    system = SimpleNamespace(
        gateway_url=target.url,
        auth_url=target.auth_url,
        api_key=lambda _service: target.service_key(),
    )
    person = Person(system)  # type: ignore[arg-type]
    steps = (
        person.register,
        person.log_in,
        person.me,
        person.verify,
        person.refresh,
        person.log_out,
    )
    try:
        return all(step().ok for step in steps)
    except requests.RequestException:
        return False
