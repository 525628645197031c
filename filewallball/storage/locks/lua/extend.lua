local value = redis.call('GET', held)
if not mine(value) then
  return {'lost'}
end
return renew(value, ARGV[2])
