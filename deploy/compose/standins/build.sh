#!/usr/bin/env bash
# Build the stand-ins: as root (debootstrap), with debootstrap and Docker, from a Debian
# mirror alone. Afterwards build and run with the settings it prints.
#
#   sudo deploy/compose/standins/build.sh [mirror]
set -euo pipefail

mirror=${1:-http://deb.debian.org/debian}
here=$(cd -- "$(dirname -- "$0")" && pwd)
work=$(mktemp -d)
export DOCKER_BUILDKIT=1
trap 'rm -rf "$work"' EXIT

if ! docker image inspect memo-standin/debian > /dev/null 2>&1; then
    debootstrap --variant=minbase --include=ca-certificates trixie "$work/root" "$mirror"
    tar -C "$work/root" -c . | docker import - memo-standin/debian
fi
for image in python postgres redis nginx; do
    docker build --target "$image" -t "memo-standin/$image" "$here"
done

cat << 'SETTINGS'
Debian 13's versions. Add these lines to .env, and run `./manage_all.sh init` again. Nginx
is older than 1.27.3 and cannot ask a DNS server while it runs: restart the gateway after
a service was replaced.

PYTHON_IMAGE=memo-standin/python
POSTGRES_IMAGE=memo-standin/postgres
REDIS_IMAGE=memo-standin/redis
NGINX_IMAGE=memo-standin/nginx
GATEWAY_RESOLVER=
SETTINGS
