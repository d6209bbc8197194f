#!/usr/bin/env bash
# Back up the containers' databases, settings and secrets, and who was erased, to a new
# folder, while they run.
#
#   deploy/compose/backup.sh FOLDER
set -euo pipefail
umask 077
folder=$(realpath -m -- "${1:?"usage: $0 FOLDER"}")
cd "$(dirname -- "$0")/../.."
mkdir -- "$folder"
trap 'rm -rf -- "$folder"' EXIT

# Auth last: it knows no epoch then that a dump of users lacks.
others=$(docker compose config --services | sed -n '/^auth-db$/d; s/-db$//p')
for name in $others auth; do
    docker compose exec -T "$name-db" sh -c 'PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE") \
        pg_dump -U postgres -Fc "$MEMO_SERVICE"' > "$folder/$name.dump"
done
docker compose run --rm -T --no-deps users-worker \
    sh -c "cat /var/lib/memo/erasures/users.log || true" > "$folder/erasures.log"
# After the dumps: these have every key then that a dump needs.
tar -cf "$folder/settings.tar" .env .secrets
# For the alert MemoBackupOld.
note="COMMENT ON DATABASE users IS 'memo backup $(date -u +%FT%TZ)'"
docker compose exec -T -e note="$note" users-db sh -c \
    'PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE") psql -U postgres -qc "$note"'
trap - EXIT
