"""The decisions, each one script, which nothing else in Redis runs beside.

Time is Redis's own: a window is the rest of a key's life, so there is no key without
one, and no two clocks are compared.
"""

# KEYS: whether the login is known from this address; then two keys for each bucket.
# ARGV, for each bucket: kind, whether the known pass it, count, window, two numbers, a
# text. Times are milliseconds. All buckets are looked at before the first is changed.
# Answers {0, number of the bucket, wait}, or {1, mark of each bucket}: of `delays` the
# wait that begins; of `distinct` 1 with the one that is too many, 2 after it.
RESERVE = """
local known = redis.call('EXISTS', KEYS[1]) == 1

local function number(key)
  return tonumber(redis.call('GET', key) or '0')
end

local function rest(key)
  return math.max(redis.call('PTTL', key), 1)
end

local function count(key, window)
  local n = redis.call('INCR', key)
  if n == 1 then redis.call('PEXPIRE', key, window) end
  return n
end

local function is_sprayed(b)
  return redis.call('SCARD', b.key) > b.count
end

local waits = {
  rate = function(b)
    return number(b.key) >= b.count and rest(b.key) or 0
  end,
  delays = function(b)
    return redis.call('EXISTS', b.wait) == 1 and rest(b.wait) or 0
  end,
  distinct = function(b)
    local slowed = is_sprayed(b) and b.first > 0 and number(b.wait) >= b.first
    return slowed and rest(b.wait) or 0
  end,
}

local takes = {
  rate = function(b)
    count(b.key, b.window)
    return 0
  end,
  delays = function(b)
    local n = redis.call('INCR', b.key)
    local wait = 0
    if n >= b.count then
      wait = math.min(b.first * 2 ^ math.min(n - b.count, 40), b.second)
      wait = math.max(math.floor(wait), redis.call('PTTL', b.wait))
      redis.call('SET', b.wait, n, 'PX', wait)
    end
    redis.call('PEXPIRE', b.key, b.window + wait)
    return wait
  end,
  distinct = function(b)
    if is_sprayed(b) then
      count(b.wait, b.second)
      return 2
    end
    local is_new = redis.call('SADD', b.key, b.text) == 1
    if redis.call('PTTL', b.key) < 0 then redis.call('PEXPIRE', b.key, b.window) end
    return is_new and is_sprayed(b) and 1 or 0
  end,
}

local buckets, refused, longest = {}, 0, 0
for i = 1, #ARGV / 7 do
  local at = 7 * (i - 1)
  local b = {
    key = KEYS[2 * i], wait = KEYS[2 * i + 1], kind = ARGV[at + 1],
    count = tonumber(ARGV[at + 3]), window = tonumber(ARGV[at + 4]),
    first = tonumber(ARGV[at + 5]), second = tonumber(ARGV[at + 6]),
    text = ARGV[at + 7],
  }
  buckets[i] = b
  if not (known and ARGV[at + 2] == '1') then
    local wait = waits[b.kind](b)
    if wait > longest then refused, longest = i, wait end
  end
end
if refused > 0 then return {0, refused, longest} end

local answer = {1}
for i, b in ipairs(buckets) do
  answer[i + 1] = takes[b.kind](b)
end
return answer
"""

# What a reservation took, given back: after a success (ARGV[1] is 1) failures are
# forgotten. KEYS: two for each bucket. ARGV then: kind, mark, count and text of each.
# A wait goes with the attempt that began it, and when too few are left for any.
GIVE_BACK = """
local function number(key)
  return tonumber(redis.call('GET', key) or '0')
end

local function one_less(key)
  if number(key) > 0 then redis.call('DECR', key) end
end

local gives = {
  rate = function(key)
    one_less(key)
  end,
  delays = function(key, wait, mark, count)
    if ARGV[1] == '1' then
      redis.call('DEL', key, wait)
    else
      one_less(key)
      if mark > 0 or number(key) < count then redis.call('DEL', wait) end
    end
  end,
  distinct = function(key, wait, mark, count, text)
    if mark == 2 then one_less(wait) else redis.call('SREM', key, text) end
  end,
}

for i = 1, #KEYS / 2 do
  local kind, mark, count, text = unpack(ARGV, 4 * i - 2, 4 * i + 1)
  gives[kind](KEYS[2 * i - 1], KEYS[2 * i], tonumber(mark), tonumber(count), text)
end
return 0
"""
