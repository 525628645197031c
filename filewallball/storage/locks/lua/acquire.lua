local ttl, waits, patience, overdue, epoch, history = unpack(ARGV, 2)

-- The epoch belongs to one line of the server's history: another one began with a fail-over.
if history ~= '' then
  local here = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  if here ~= history then
    return {'history', here}
  end
end

local value = redis.call('GET', held)
if value and value == overdue then -- the server's clock was set back, or it would have expired
  redis.call('DEL', held)
  value = false
end
if mine(value) then -- the answer to an earlier try got lost
  return renew(value, ttl)
end

local first = first_waiting(tonumber(patience))
if not value and (not first or first == me) then
  if first then
    redis.call('LPOP', queue)
    redis.call('HDEL', heard, me)
  end
  local time = redis.call('TIME')
  local ticks = math.floor((time[1] * 1000000 + time[2]) / 64)
  local before = redis.call('HMGET', last, 'epoch', 'ticks')
  epoch = math.max(tonumber(epoch), tonumber(before[1] or 0))
  ticks = math.max(ticks, tonumber(before[2] or 0) + 1)
  value = string.format('%s:%.0f:%.0f:%s:0', me, epoch, ticks, ttl)
  redis.call('HSET', last, 'epoch', string.format('%.0f', epoch), 'ticks', string.format('%.0f', ticks))
  redis.call('PEXPIRE', last, 30 * 86400000)
  redis.call('SET', held, value, 'PX', ttl)
  return {'mine', value}
end

if waits == '1' then
  if redis.call('HSET', heard, me, milliseconds()) == 1 then
    redis.call('RPUSH', queue, me)
  end
  redis.call('PEXPIRE', heard, 60000)
  redis.call('PEXPIRE', queue, 60000)
end
return {'taken', value or '', redis.call('PTTL', held)}
