#!/bin/sh
# Redis, one of three: the master, or a replica of it.
set -eu
umask 077
self=$(hostname).redis master=$(sh /usr/local/etc/sentinel/master.sh)
{
    cat /usr/local/etc/redis/redis.conf
    echo "replica-announce-ip $self"
    echo "masteruser admin"
    echo "masterauth $(cat /run/secrets/redis_admin_password)"
    [ "$master" = "$self" ] || echo "replicaof $master 6379"
} > /data/redis.conf
rm -f /data/dump.rdb # if the server before was killed while it loaded one
exec redis-server /data/redis.conf --aclfile /run/secrets/redis_users.acl
