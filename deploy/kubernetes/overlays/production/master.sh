#!/bin/sh
# Print the master that a sentinel names. If none answers, all are starting: the first.
for number in 0 1 2; do
    answer=$(timeout 2 redis-cli -h "redis-$number.redis" -p 26379 \
        sentinel get-master-addr-by-name memo 2> /dev/null) || answer=
    master=${answer%%[!a-z0-9.-]*}
    [ -z "$master" ] || break
done
echo "${master:-redis-0.redis}"
