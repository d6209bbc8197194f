"""Chaos: people at work, faults every few seconds, and somebody who keeps the books.

    timeline    which part was in trouble, and when
    bounds      how long a revoked token may still be taken, by the trouble there was
    ledger      what was acknowledged to whom
    checker     what must hold; a violation tells the whole story of its session
    wire, crowd, bystanders    who asks, and what
    proxy, rig  links of ours between the parts, which can be slow, cut or silent
    faults, clocks, schedule   what is broken, when, and how soon all was well again
    run, report                one run from the start to the figures

docs/chaos.md tells it for people who want to try their own deployment.
"""
