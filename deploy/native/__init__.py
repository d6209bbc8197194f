"""Runs the whole product on one Linux machine without containers.

Standard library only: this code makes the virtual environment, so it cannot need
one. `cli` is the way in, `up` tells the story, `supervisor` keeps it alive.
"""
