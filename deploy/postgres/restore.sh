# shellcheck shell=sh
# A step of a restore, in the server's container: sh -ec "$(cat restore.sh)" restore STEP
#
#   load           a dump, from the standard input, into the new database NAME_restored
#   swap           NAME becomes NAME_before, NAME_restored becomes NAME
#   drop restored  what a failed restore has loaded
#   drop before    the previous database: erased users are in it, too
name=$MEMO_SERVICE roles=/docker-entrypoint-initdb.d/roles.sql
PGUSER=postgres PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
export PGUSER PGPASSWORD
sql() { psql -qv ON_ERROR_STOP=1 "$@"; }
case $1 in
    load)
        sql -f "$roles" # a role or the database may be missing
        sql -c "DROP DATABASE IF EXISTS ${name}_restored" \
            -c "CREATE DATABASE ${name}_restored OWNER ${name}_owner TEMPLATE template0"
        pg_restore -e --role="${name}_owner" -d "${name}_restored"
        ;;
    swap)
        sql -c "DROP DATABASE IF EXISTS ${name}_before" \
            -c "ALTER DATABASE \"$name\" RENAME TO ${name}_before;
                ALTER DATABASE ${name}_restored RENAME TO \"$name\""
        sql -f "$roles" # rights of a database are not in its dump
        ;;
    drop) sql -c "DROP DATABASE IF EXISTS ${name}_$2" ;;
esac
