#!/usr/bin/env bash
# Restore the containers' databases, or those of some services, from a folder that
# backup.sh has made. What can fail works on new databases: until these are renamed at the
# end, yours are unchanged. All sessions end. The containers have to run.
#
#   deploy/compose/restore.sh FOLDER [SERVICE...]
set -euo pipefail
folder=$(realpath -- "${1:?"usage: $0 FOLDER [SERVICE...]"}")
cd "$(dirname -- "$0")/../.."
services=$(docker compose config --services | sed -n '/^auth-db$/d; s/-db$//p')
mapfile -t others <<< "$services"
names=("${@:2}")
# Auth last: until then the epochs of restored users end the sessions that auth has.
[ $# -gt 1 ] || names=("${others[@]}" auth)
for name in "${names[@]}"; do
    [ -r "$folder/$name.dump" ] || { echo "restore.sh: no $folder/$name.dump" >&2; exit 1; }
done
erasures=/var/lib/memo/erasures/users.log list=$(mktemp)

database() { # SERVICE STEP: in its server
    docker compose exec -T "$1-db" sh -ec "$(cat deploy/postgres/restore.sh)" restore "${@:2}"
}

on_database() { # DATABASE COMMAND...: of manage.py
    local service=${1%_restored}
    docker compose run --rm -T --no-deps \
        -e "DATABASE_URL=postgres://${service}_app@$service-db:5432/$1" \
        "$service" python manage.py "${@:2}"
}

manage() { # SERVICE COMMAND...: on its restored database, if there is one
    case " ${names[*]} " in
        *" $1 "*) on_database "$1_restored" "${@:2}" ;;
        *) on_database "$@" ;;
    esac
}

start() {
    rm -f "$list"
    for name in "${names[@]}"; do database "$name" drop restored || true; done
    docker compose up -d --wait
}

trap start EXIT
docker compose stop "${others[@]}" auth users-worker
for name in "${names[@]}"; do
    database "$name" load < "$folder/$name.dump"
    url=postgres://${name}_owner@$name-db:5432/${name}_restored
    docker compose run --rm -T --no-deps -e "MIGRATION_DATABASE_URL=$url" "$name-migrate"
done

# Users are erased again, by the lists of the backup and of now. The first line of the one
# does not continue the last of the other, should that be cut off.
docker compose run --rm -T --no-deps users-worker \
    sh -c "{ echo; cat; } >> $erasures && cat $erasures" < "$folder/erasures.log" > "$list"
for name in users auth; do manage "$name" eraseusers - < "$list"; done

# Sessions end: the backup does not know which have ended since.
epochs=$(on_database auth highestepoch && manage auth highestepoch)
manage users raiseepochs --above "$(sort -n <<< "$epochs" | tail -n 1)"
manage auth revokesessions --all --noinput
manage auth republishsessions

for name in "${names[@]}"; do database "$name" swap; done
for name in "${names[@]}"; do database "$name" drop before; done
