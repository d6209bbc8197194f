#!/bin/sh
# The master that a sentinel names. Where none answers, all are starting: the first one.
for number in 0 1 2; do
    answer=$(timeout 2 redis-cli -h "redis-$number.redis" -p 26379 \
        sentinel get-master-addr-by-name memo 2> /dev/null) || answer=
    master=${answer%%[!a-z0-9.-]*}
    [ -z "$master" ] || break
done
echo "${master:-redis-0.redis}"
