-- What the scripts share. A lock has these keys: who holds it (with the time to live), who waits in which order,
-- when each of those was last heard of, and the last token.
local held, queue, heard, last = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local me = ARGV[1]

local function mine(value)
  return value and string.sub(value, 1, #me + 1) == me .. ':'
end

local function milliseconds()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The first who waits and was heard of lately; the dead before it are forgotten. A time that lies ahead was
-- taken before the clock was set back, and tells nothing.
local function first_waiting(patience)
  local now = milliseconds()
  while true do
    local first = redis.call('LINDEX', queue, 0)
    if not first or first == me then
      return first
    end
    local at = tonumber(redis.call('HGET', heard, first) or nil)
    if at and at <= now and now - at <= patience then
      return first
    end
    redis.call('LPOP', queue)
    redis.call('HDEL', heard, first)
  end
end

-- A new time to live for what is ours. The last number tells those who wait that it was given anew.
local function renew(value, ttl)
  local start, times = string.match(value, '^(.*):%d+:(%d+)$')
  value = string.format('%s:%s:%d', start, ttl, times + 1)
  redis.call('SET', held, value, 'PX', ttl)
  return {'mine', value}
end
