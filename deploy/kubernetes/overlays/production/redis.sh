#!/bin/sh
# Redis, one of three. It follows the master that a sentinel names. Where none answers, all
# are starting: the first one is the master.
set -eu
umask 077
self=$HOSTNAME.redis master=
for number in 0 1 2; do
    answer=$(timeout 2 redis-cli -h "redis-$number.redis" -p 26379 \
        sentinel get-master-addr-by-name memo 2> /dev/null) || answer=
    master=${answer%%[!a-z0-9.-]*}
    [ -z "$master" ] || break
done
[ -n "$master" ] || master=redis-0.redis
{
    cat /usr/local/etc/redis/redis.conf
    echo "replica-announce-ip $self"
    echo "masteruser admin"
    echo "masterauth $(cat /run/secrets/redis_admin_password)"
    [ "$master" = "$self" ] || echo "replicaof $master 6379"
} > /data/redis.conf
exec redis-server /data/redis.conf --aclfile /run/secrets/redis_users.acl
