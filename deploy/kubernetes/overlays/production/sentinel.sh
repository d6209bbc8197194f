#!/bin/sh
# A sentinel, one of three. It begins with the master that the others know. Clients only
# ask it: another service that could name a master would get the password of Redis.
set -eu
umask 077
master=$(sh /usr/local/etc/sentinel/master.sh)
password=$(cat /run/secrets/redis_admin_password)
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
sentinel auth-pass memo $password
sentinel down-after-milliseconds memo 5000
sentinel failover-timeout memo 10000
user default on nopass allchannels -@all +ping +client|setname +subscribe \
    +psubscribe +sentinel|get-master-addr-by-name +sentinel|master +sentinel|masters \
    +sentinel|replicas +sentinel|slaves +sentinel|sentinels
user admin on >$password allchannels +@all
sentinel sentinel-user admin
sentinel sentinel-pass $password
END
exec redis-server /data/sentinel.conf --sentinel
