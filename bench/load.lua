-- What wrk sends: the requests of a file, one after the other, again and again.
--
--   wrk ... -s load.lua URL -- REQUESTS TOKENS DELAY PATIENT
--
-- REQUESTS has a request a line: method, path, body and headers, separated by tabs.
-- TOKENS has a token a line ("-": none). Where a request says %TOKEN% the oldest of them
-- is put in and is gone; what an answer gives in its place comes last. So each is used
-- once, as a client would. DELAY is in milliseconds before each request (0: none).
-- PATIENT=1 has clients that are told to come back later (503) wait a second first, as
-- Retry-After says, and the answers counted by their status.

local requests, tokens = {}, {}
local turn, oldest, newest = 0, 1, 0
local sent_away = 0  -- clients who have been and have not begun to wait
local threads = {}
statuses = ""  -- "200=12 503=3", read by `done`
local counts = {}

local function parse(line)
    local parts = {}
    for part in (line .. "\t"):gmatch("([^\t]*)\t") do
        table.insert(parts, part)
    end
    local request = {method = parts[1], path = parts[2], body = parts[3], headers = {}}
    for i = 4, #parts do
        local name, value = parts[i]:match("^([^:]+): (.*)$")
        request.headers[name] = value
    end
    if request.body == "" then request.body = nil end
    if not line:find("%TOKEN%", 1, true) then
        request.text = wrk.format(
            request.method, request.path, request.headers, request.body)
    end
    return request
end

local function with_token(request)
    local token = tokens[oldest]
    tokens[oldest] = nil
    oldest = oldest + 1
    local headers = {}
    for name, value in pairs(request.headers) do
        headers[name] = value:gsub("%%TOKEN%%", token or "none-left")
    end
    local body = request.body and request.body:gsub("%%TOKEN%%", token or "none-left")
    return wrk.format(request.method, request.path, headers, body)
end

local function keep(headers, body)
    local cookie = headers["Set-Cookie"]
    local token = cookie and cookie:match("refresh_token=([^;]+)")
        or body:match('"refresh":"([^"]+)"')
    if token then
        newest = newest + 1
        tokens[newest] = token
    end
end

local function note(status)
    counts[status] = (counts[status] or 0) + 1
    local parts = {}
    for code, count in pairs(counts) do table.insert(parts, code .. "=" .. count) end
    statuses = table.concat(parts, " ")
end

function setup(thread)
    table.insert(threads, thread)
end

function init(args)
    for line in io.lines(args[1]) do table.insert(requests, parse(line)) end
    if args[2] ~= "-" then
        for line in io.lines(args[2]) do
            newest = newest + 1
            tokens[newest] = line
        end
    end
    local pause, patient = tonumber(args[3]), args[4] == "1"
    -- Defined only where they are needed: each costs wrk a call for every request.
    if pause > 0 then
        -- Spread, so that connections do not beat together.
        function delay() return math.random(math.floor(pause / 2), pause * 3 / 2) end
    elseif patient then
        function delay()
            if sent_away == 0 then return 0 end
            sent_away = sent_away - 1
            return 1000
        end
    end
    if patient or newest > 0 then
        function response(status, headers, body)
            if patient then note(status) end
            if status == 503 then sent_away = sent_away + 1 end
            if newest > 0 then keep(headers, body) end
        end
    end
end

function request()
    turn = turn % #requests + 1
    local chosen = requests[turn]
    return chosen.text or with_token(chosen)
end

function done(summary, latency, rate)
    local found = ""
    for _, thread in ipairs(threads) do found = found .. thread:get("statuses") end
    local errors = summary.errors
    io.write(string.format(
        "RESULT requests=%d micros=%d p50=%d p99=%d max=%d refused=%d broken=%d %s\n",
        summary.requests, summary.duration, latency:percentile(50),
        latency:percentile(99), latency.max, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout, found))
end
