#!/bin/bash
# healthcheck PORT PATH TEXT: exit status 0 when this container answers, with that text
# somewhere in it. `docker inspect` shows the answer. It runs every two seconds, so it is
# a shell's work and not Python's.
exec 3<> "/dev/tcp/127.0.0.1/$1" || exit 1
printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$2" "${SERVICE:-localhost}" >&3
answer=$(timeout 4 cat <&3)
printf '%s\n' "${answer##*$'\n'}"
# A gateway that refuses the request is alive too: the services have checks of their own.
[[ $answer == HTTP/1.[01]\ *"$3"* && ($3 == '' || $answer == HTTP/1.[01]\ 200\ *) ]]
