"""The native way of running, tested as a user meets it."""
