#!/usr/bin/env bash
# Back up the containers' databases, settings and secrets, and who was erased, to a new
# folder, while they run.
#
#   deploy/compose/backup.sh FOLDER
set -euo pipefail
umask 077
folder=$(realpath -m -- "${1:?"usage: $0 FOLDER"}")
cd "$(dirname -- "$0")/../.."
exec < /dev/null 9< deploy/compose/restore.sh
flock -n 9 || { echo "backup.sh: a backup or restore is running" >&2; exit 1; }
[ ! -e "$folder" ] || { echo "backup.sh: $folder exists already" >&2; exit 1; }
draft=$(mktemp -d -- "$folder.XXXXXXXX")
trap 'rm -rf -- "$draft"' EXIT

others=$(docker compose config --services | sed -n '/^auth-migrate$/d; s/-migrate$//p')
# Auth last: its dump has every logout from before the other dumps.
for name in $others auth; do
    docker compose exec -T "$name-db" sh -c 'PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE") \
        pg_dump -U postgres -Fc "$MEMO_SERVICE"' > "$draft/$name.dump"
done
docker compose run --rm -T --no-deps users-worker sh -c \
    'file=${ERASURES_FILE:-/var/lib/memo/erasures/users.log}; [ ! -e "$file" ] || cat "$file"' \
    > "$draft/erasures.log"
# After the dumps, so they have every key that a dump needs.
tar -chf "$draft/settings.tar" .env .secrets
sync
mv -T -- "$draft" "$folder"
# For the alert MemoBackupOld.
note="COMMENT ON DATABASE users IS 'memo backup $(date -u +%FT%TZ)'"
docker compose exec -T -e note="$note" users-db sh -c \
    'PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE") psql -U postgres -qc "$note"'
