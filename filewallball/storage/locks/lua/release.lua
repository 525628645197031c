local wake, patience = ARGV[2], tonumber(ARGV[3])
local value = redis.call('GET', held)
local answer = 'lost'
if redis.call('HDEL', heard, me) == 1 then
  redis.call('LREM', queue, 0, me)
end
if mine(value) then
  redis.call('DEL', held)
  value = false
  answer = 'mine'
end
if not value then
  local first = first_waiting(patience)
  if first then
    redis.call('LPUSH', wake .. first, '1')
    redis.call('PEXPIRE', wake .. first, 5000)
  end
end
return {answer}
