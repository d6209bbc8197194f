#!/usr/bin/env bash
# Restore the containers' databases, or those of some services, from a folder that
# backup.sh has made. What can fail works on new databases, which take the place of yours
# at the end. The containers have to run.
#
#   deploy/compose/restore.sh FOLDER [SERVICE...]
set -euo pipefail
folder=$(realpath -- "${1:?"usage: $0 FOLDER [SERVICE...]"}")
cd "$(dirname -- "$0")/../.."
exec < /dev/null 9< deploy/compose/restore.sh

fail() {
    echo "restore.sh: $*" >&2
    exit 1
}

database() { # SERVICE STEP: in its server
    docker compose exec -T "$1-db" sh -ec "$(cat deploy/postgres/restore.sh)" restore "${@:2}"
}

on_database() { # DATABASE COMMAND...: of manage.py
    local service=${1%_restored}
    docker compose run --rm -T --no-deps \
        -e "DATABASE_URL=postgres://${service}_app@$service-db:5432/$1" \
        "$service" python manage.py "${@:2}"
}

is_restored() { [[ " ${names[*]} " = *" $1 "* ]]; }

manage() { # SERVICE COMMAND...: on its restored database, if there is one
    if is_restored "$1"; then set -- "$1_restored" "${@:2}"; fi
    on_database "$@"
}

stop() {
    # shellcheck disable=SC2086 # words
    docker compose stop $services auth users-worker
}

start() { # each step as far as it goes; no second signal keeps the services stopped
    set +e
    trap : HUP INT TERM
    rm -f "$list"
    stop # one that was interrupted continues, also after `up`
    for name in ${swapped[@]+"${swapped[@]}"}; do database "$name" undo; done
    for name in "${names[@]}"; do database "$name" drop restored; done
    docker compose up -d --wait || exit 1
}

flock -n 9 || fail "a backup or restore is running"
services=$(docker compose config --services | sed -n '/^auth-migrate$/d; s/-migrate$//p')
names=() swapped=()
# Auth last: until then the epochs of restored users end the sessions that auth has.
for name in $services auth; do
    if [ $# = 1 ] || [[ " ${*:2} " = *" $name "* ]]; then names+=("$name"); fi
done
[ $# = 1 ] || [ ${#names[@]} = $(($# - 1)) ] || fail "there are: $services auth"
for file in "${names[@]/%/.dump}" erasures.log; do
    [ -r "$folder/$file" ] || fail "no $folder/$file"
done
list=$(mktemp)
trap start EXIT
trap 'exit 1' HUP INT TERM
stop
for name in "${names[@]}"; do
    database "$name" load < "$folder/$name.dump"
    url=postgres://${name}_owner@$name-db:5432/${name}_restored
    docker compose run --rm -T --no-deps -e "MIGRATION_DATABASE_URL=$url" "$name-migrate"
done

if is_restored users || is_restored auth; then
    # Users are erased again: those in the backup's list, and those in the present one. A
    # line break comes first, because the last line of the present one may be cut off.
    docker compose run --rm -T --no-deps users-worker sh -c \
        'file=${ERASURES_FILE:-/var/lib/memo/erasures/users.log}
        { echo; cat; } >> "$file" && cat "$file"' < "$folder/erasures.log" > "$list"
    for name in users auth; do
        if is_restored "$name"; then manage "$name" eraseusers - < "$list"; fi
    done
    # Sessions end: the backup does not know which have ended since. The present tables
    # may be lost.
    epochs=$(on_database auth highestepoch || true; manage auth highestepoch)
    manage users raiseepochs --above "$(sort -n <<< "$epochs" | tail -n 1)"
    manage auth revokesessions --all --noinput
    manage auth republishsessions
fi

for name in "${names[@]}"; do
    swapped+=("$name") # also if it fails after it has renamed
    database "$name" swap
done
swapped=() status=0
echo "restore.sh: restored ${names[*]} from $folder"
for name in "${names[@]}"; do database "$name" drop before || status=1; done
[ "$status" = 0 ]
