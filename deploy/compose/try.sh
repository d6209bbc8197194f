#!/usr/bin/env bash
# Test the whole system in containers, on a stack of its own that it removes at the end,
# with data and images. Needs Docker with Compose v2, Python 3 and the files that
# `./manage_all.sh init` makes. Variables for images: docs/operations/deployment.md.
#
#   TRY_PORT=18080 deploy/compose/try.sh
set -euo pipefail
cd "$(dirname -- "$0")/../.."
docker compose version > /dev/null 2>&1 || {
    echo "try.sh: needs Docker with its plugin compose, 2.20 or newer" >&2
    exit 1
}

# The renderer takes settings from its environment. An empty one is not the default.
while read -r line; do export "${line?}"; done < <(grep '^GATEWAY_[A-Z_]*=' .env)
export COMPOSE_PROJECT_NAME=memo-try GATEWAY_PORT=${TRY_PORT:-18080}
export ENVIRONMENT=development MEMO_IMAGE_PREFIX=memo-try- MEMO_VERSION=try
export GATEWAY_TLS_CERTIFICATE='' GATEWAY_TLS_CERTIFICATE_KEY=''
files=$(sed -n 's/^COMPOSE_FILE=//p' .env)
export COMPOSE_FILE=${files:-compose.yaml}:deploy/compose/try.yaml
url=http://localhost:$GATEWAY_PORT
work=$(mktemp -d)
export TRY_GATEWAY=$work/gateway
trap 'docker compose down --volumes --rmi local > /dev/null 2>&1 || true; rm -rf "$work"' EXIT

step() { printf '== %s\n' "$*"; }

fail() {
    printf 'try.sh: %s\n' "$*" >&2
    exit 1
}

walk() { python3 -m deploy.smoke_test "$url" --account "$work/account.json" --keys .secrets; }

# As users see it: everything works again within 15 s, without any other action.
recovers() {
    for _ in $(seq 15); do
        walk > /dev/null 2>&1 && return
        sleep 1
    done
    walk || fail "does not recover"
}

# A gateway that asks no DNS server keeps the old ones.
addresses_changed() {
    [ -n "${GATEWAY_RESOLVER-default}" ] || docker compose restart gateway > /dev/null 2>&1
    recovers
}

# A session of the account: `open` logs in, `end` logs out, `over` expects its end.
session() {
    python3 - "$url" "$work" "$1" << 'END' > /dev/null
import json, pathlib, sys
from deploy.smoke_test import API, Client
client, work, act = Client(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
saved = work / "session.json"
if act == "open":
    login = json.loads((work / "account.json").read_text())
    del login["username"]
    client("Log in", "200", f"POST {API}/auth/login", login)
    saved.write_text(json.dumps(client.headers))
    sys.exit()
client.headers = json.loads(saved.read_text())
if act == "end":
    client("Log out", "200", f"POST {API}/auth/logout")
client("It is over", "401 token_revoked", f"GET {API}/users/me")
client("It is over", "401 token_revoked", f"POST {API}/auth/refresh")
END
}

mail_of_account() {
    python3 - "$url" "$work" << 'END' > /dev/null
import json, pathlib, sys
from deploy.smoke_test import API, Client
account = json.loads(pathlib.Path(sys.argv[2], "account.json").read_text())
email = {"email": account["email"]}
Client(sys.argv[1])("Ask for it", "202", f"POST {API}/users/password_reset", email)
END
}

# A user who adds an authenticator app is asked for it from then on.
second_factor() {
    python3 - "$url" << 'END' > /dev/null
import subprocess, sys
from deploy.smoke_test import API, Client, register
client = Client(sys.argv[1])
user = register(client)
login = {"email": user["email"], "password": user["password"]}
client("Log in", "200", f"POST {API}/auth/login", login)
factors = f"{API}/users/me/factors"
added = client("Add an app", "201", f"POST {factors}/totp", {})
app = "import pyotp; print(pyotp.TOTP(input()).now())"
command = ["docker", "compose", "exec", "-T", "users", "python", "-c", app]
shown = subprocess.run(command, input=added["secret"], stdout=-1, text=True, check=True)
code = {"code": shown.stdout.strip()}
confirmed = client("Confirm it", "200", f"POST {factors}/{added['id']}/confirm", code)
refused = "401 second_factor_required"
waiting = client("The password alone", refused, f"POST {API}/auth/login", login)
proof = {"login": waiting["login"], "recovery_code": confirmed["recovery_codes"][0]}
client("With a code", "200", f"POST {API}/auth/login/second_factor", proof)
END
}

step "build"
umask 022
GATEWAY_LOGIN_RATE=100r/s GATEWAY_REGISTER_RATE=100r/s \
    python3 nginx/render.py --compose --output "$TRY_GATEWAY"
docker compose build

step "start"
SECONDS=0
docker compose up --detach --wait --quiet-pull
echo "ready after $SECONDS s"
walk

step "only the gateway publishes a port"
ports=$(docker ps --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
    --format '{{.Ports}}' | grep -- '->' || true)
[ "$ports" = "127.0.0.1:$GATEWAY_PORT->8080/tcp" ] || fail "published: $ports"

step "no user is root, no root filesystem can be written to, no capability is left"
for name in auth users users-worker auth-db users-db redis gateway; do
    found=$(docker compose exec -T "$name" sh -c \
        'id -u; touch /here 2>/dev/null && echo writable; grep CapEff /proc/self/status')
    case $found in
        0$'\n'* | *writable* | *CapEff:*[1-9a-f]*) fail "$name: $found" ;;
    esac
done

step "the worker sends a mail that is asked for"
mail_of_account
for _ in $(seq 15); do
    docker compose exec -T users-worker grep -q "^Subject:" -r /tmp/mail && break
    sleep 1
done
docker compose exec -T users-worker grep -q "^Subject:" -r /tmp/mail || fail "no mail"

step "a second factor is asked for: the keys of their secrets are mounted"
second_factor

step "no secret shows in containers' settings, image histories or logs"
docker compose ps --all --quiet | xargs docker inspect > "$work/shown"
docker compose images --quiet | xargs -n 1 docker history --no-trunc >> "$work/shown"
docker compose logs >> "$work/shown" 2>&1
for file in .secrets/* .secrets/factor_keys/* .secrets/keys/private/*.pem; do
    [ -f "$file" ] && [ "$file" != .secrets/redis_users.acl ] || continue
    grep -oE '[A-Za-z0-9_-]{40,}' "$file" > "$work/values" || continue
    if grep -qFf "$work/values" "$work/shown"; then fail "$file shows"; fi
done
if grep -qE 'eyJ[A-Za-z0-9_-]{10}' "$work/shown"; then fail "a token shows"; fi

for name in auth-db users-db redis auth users users-worker gateway; do
    step "restart $name"
    docker compose restart "$name" > /dev/null 2>&1
    recovers
done

step "services are replaced, with other addresses"
docker compose up --detach --no-deps --force-recreate auth users > /dev/null 2>&1
addresses_changed

step "Redis is unavailable: everything works, and at once"
docker compose stop redis > /dev/null 2>&1
SECONDS=0
recovers
[ "$SECONDS" -le 15 ] || fail "$SECONDS s without Redis"
docker compose start redis > /dev/null 2>&1

step "the gateway reads its files again, without losing a request"
docker compose kill --signal HUP gateway > /dev/null 2>&1
walk

step "backup and restore: what ended after the backup does not live again"
session open
deploy/compose/backup.sh "$work/backup"
session end
deploy/compose/restore.sh "$work/backup"
addresses_changed
session over
deploy/compose/restore.sh "$work/backup" users
addresses_changed
session over
for name in users auth; do
    docker compose exec -T "$name-db" sh -c 'PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE") \
        psql -U postgres -Atc "SELECT datname FROM pg_database"'
done > "$work/databases"
if grep -E '_(before|restored)$' "$work/databases"; then fail "a database stays"; fi
walk

step "stop and start, as after a reboot"
docker compose stop > /dev/null 2>&1
docker compose start > /dev/null 2>&1
recovers

step "down keeps the data"
docker compose down > /dev/null 2>&1
docker compose up --detach --wait > /dev/null 2>&1
walk
echo "try.sh: everything is as it should be"
