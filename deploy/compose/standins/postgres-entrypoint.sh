#!/bin/bash
# As the official image's entrypoint: make a new cluster with the superuser's password
# from a file, then run the SQL files of /docker-entrypoint-initdb.d on a server that
# listens on its socket only. Any user can run it.
set -euo pipefail

initialise() {
    local password
    password=$(cat "$POSTGRES_PASSWORD_FILE")
    mkdir -p "$PGDATA"
    chmod 0700 "$PGDATA"
    # initdb needs a name for its user id.
    export NSS_WRAPPER_PASSWD=/tmp/passwd NSS_WRAPPER_GROUP=/tmp/group
    echo "postgres:x:$(id -u):$(id -g)::/var/lib/postgresql:/bin/false" > /tmp/passwd
    echo "postgres:x:$(id -g):" > /tmp/group
    # shellcheck disable=SC2086 # several options in one variable
    LD_PRELOAD=libnss_wrapper.so initdb --username=postgres \
        --pwfile=<(printf '%s\n' "$password") ${POSTGRES_INITDB_ARGS:-}
    unset NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
    printf '\nhost all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"

    pg_ctl --wait start -o "-c listen_addresses=''"
    for file in /docker-entrypoint-initdb.d/*.sql; do
        echo "running $file"
        PGPASSWORD=$password psql --no-psqlrc --no-password -v ON_ERROR_STOP=1 \
            --username=postgres --dbname=postgres -f "$file"
    done
    pg_ctl --wait --mode=fast stop
}

if [ "${1:-}" = postgres ]; then
    [ -s "$PGDATA/PG_VERSION" ] || initialise
    set -- "$@" -c listen_addresses='*'
fi
exec "$@"
