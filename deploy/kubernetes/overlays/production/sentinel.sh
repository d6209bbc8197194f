#!/bin/sh
# A sentinel, one of three. It begins with the master that the others know.
set -eu
umask 077
master=$(sh /usr/local/etc/sentinel/master.sh)
# Sentinel ends if DNS does not know the name yet.
until getent hosts "$master" > /dev/null; do sleep 1; done
cat > /data/sentinel.conf << END
port 26379
dir /data
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $(hostname).redis
sentinel monitor memo $master 6379 2
sentinel auth-user memo admin
sentinel auth-pass memo $(cat /run/secrets/redis_admin_password)
sentinel down-after-milliseconds memo 5000
sentinel failover-timeout memo 10000
END
exec redis-server /data/sentinel.conf --sentinel
