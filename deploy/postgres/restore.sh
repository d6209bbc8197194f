# shellcheck shell=sh
# A step of a restore, in the server's container: sh -ec "$(cat restore.sh)" restore STEP
#
#   load           a dump, from the standard input, into the new database NAME_restored
#   swap           NAME becomes NAME_before, NAME_restored becomes NAME
#   undo           the opposite
#   drop restored  what a restore that failed has loaded
#   drop before    the previous database: users who are erased later stay in it
name=$MEMO_SERVICE roles=/docker-entrypoint-initdb.d/roles.sql
PGUSER=postgres PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
export PGUSER PGPASSWORD

sql() { psql -qv ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' "$@"; }

drop() { sql -c "DROP DATABASE IF EXISTS ${name}_$1 WITH (FORCE)"; }

rename() { # FROM TO FROM TO: in one transaction, after their clients are disconnected
    clients="FROM pg_stat_activity WHERE datname IN ('$1', '$3')"
    sql -o /dev/null -c "SELECT pg_terminate_backend(pid) $clients" \
        -c "ALTER DATABASE \"$1\" RENAME TO \"$2\"; ALTER DATABASE \"$3\" RENAME TO \"$4\""
}

case $1 in
    load)
        sql -f "$roles" # a role or the database may be missing
        drop restored
        sql -c "CREATE DATABASE ${name}_restored OWNER ${name}_owner TEMPLATE template0"
        pg_restore -e --role="${name}_owner" -d "${name}_restored"
        ;;
    swap)
        drop before
        rename "$name" "${name}_before" "${name}_restored" "$name"
        sql -f "$roles" # rights of a database are not in its dump
        ;;
    undo) rename "$name" "${name}_restored" "${name}_before" "$name" ;;
    drop) drop "$2" ;;
esac
