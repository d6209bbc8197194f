#!/bin/bash
# Exit status 0 when a service is ready, or when the gateway answers at all: services have
# checks of their own. `docker inspect` shows the answer. It runs every two seconds: to
# start Python so often would take a noticeable part of a processor.
port=8080 path=/
[ -z "$SERVICE" ] || port=8000 path=/api/v1/$SERVICE/health/ready
exec 3<> "/dev/tcp/127.0.0.1/$port" || exit 1
printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$path" "${SERVICE:-localhost}" >&3
answer=$(timeout 4 cat <&3)
printf '%s\n' "${answer##*$'\n'}"
case $answer in
    HTTP/1.[01]\ 200\ *"\"service\":\"$SERVICE\""*) exit 0 ;;
    HTTP/1.[01]\ *) [ -z "$SERVICE" ] ;;
    *) exit 1 ;;
esac
