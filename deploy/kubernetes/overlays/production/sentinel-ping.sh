#!/bin/sh
# Exit status 0 when the sentinel answers.
redis-cli -p 26379 ping | grep -q PONG
