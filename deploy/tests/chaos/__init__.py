"""Chaos: people at work, faults every few seconds, and somebody who keeps the books.

    timeline          which part was in trouble, and when
    bounds            how long a revoked token may still be taken, by that trouble
    ledger            what was acknowledged to whom
    forms, checker    what must hold of every answer
    violations        what did not, with the whole story of its session
    wire, visitor     one question; somebody who asks, and has it checked
    devices, accounts, crowd, bystanders    who asks, and for what
    link, proxy       links of ours between parts, which can be slow, cut or silent
    stack, rig        a native stack, and one with a link in every way
    faults, processes, filled, clocks, catalogue    what can be broken
    schedule          when it is, and how soon all was well again
    deployments, target    what a run is pointed at
    run, audit, report     one run from the start to the figures

docs/testing.md tells it for people who want to try their own deployment.
"""
