-- For wrk: send the requests of a file in turn, again and again.
--
--   wrk ... -s load.lua URL -- REQUESTS TOKENS PATIENT
--
-- REQUESTS has a request a line: method, path, body and headers, separated by tabs.
-- TOKENS has a token a line. The oldest token replaces %TOKEN% in a request and is then
-- gone; the token of the answer is added as the newest. So each is used once, as a client
-- uses a refresh token. PATIENT=1: a client that gets 503 waits a second, as Retry-After
-- says.

local requests, tokens = {}, {}
local turn, oldest, newest = 0, 1, 0
local waiting = 0  -- clients that got a 503 and have not begun to wait
local threads = {}
busy = 0  -- answers 503; `done` reads it

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
    local token = tokens[oldest] or "none-left"
    tokens[oldest] = nil
    oldest = oldest + 1
    local headers = {}
    for name, value in pairs(request.headers) do
        headers[name] = value:gsub("%%TOKEN%%", token)
    end
    local body = request.body and request.body:gsub("%%TOKEN%%", token)
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

function setup(thread)
    table.insert(threads, thread)
end

function init(args)
    for line in io.lines(args[1]) do table.insert(requests, parse(line)) end
    for line in io.lines(args[2]) do
        newest = newest + 1
        tokens[newest] = line
    end
    -- Defined only if needed: wrk calls them for every request.
    if newest > 0 then
        function response(status, headers, body) keep(headers, body) end
    end
    if args[3] == "1" then
        function response(status, headers, body)
            if status ~= 503 then return end
            busy = busy + 1
            waiting = waiting + 1
        end
        function delay()
            if waiting == 0 then return 0 end
            waiting = waiting - 1
            return 1000
        end
    end
end

function request()
    turn = turn % #requests + 1
    local chosen = requests[turn]
    return chosen.text or with_token(chosen)
end

function done(summary, latency, rate)
    local refused = 0
    for _, thread in ipairs(threads) do refused = refused + thread:get("busy") end
    local errors = summary.errors
    local broken = errors.connect + errors.read + errors.write + errors.timeout
    io.write(string.format(
        '{"good": %d, "busy": %d, "bad": %d, "seconds": %f, "p50": %f, "p99": %f}\n',
        summary.requests - errors.status, refused, errors.status - refused + broken,
        summary.duration / 1e6, latency:percentile(50) / 1e3,
        latency:percentile(99) / 1e3))
end
