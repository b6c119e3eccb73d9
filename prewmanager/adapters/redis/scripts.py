"""The Lua scripts of the flight store: compare and act in one step, each on the key of one flight.

A late holder neither deletes nor overwrites what another process has by now. Where the key is absent (Redis lost or
evicted it), acting is safe and saves the work.

    blocked:<token>:<end>     a lease; a zero before the end says that another process waits for the result, two that
                              also the photo has changed since
"""

from __future__ import annotations

# `waits`: somebody may wait for what the holder does. That is not known of a key that Redis has lost.
_LEASE = """
local value = redis.call('GETRANGE', KEYS[1], 0, 63)
local token, waited, changed, ends = string.match(value, '^blocked:(%x+):?(0?)(0?)(%d*)$')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local free = value == '' or token == ARGV[1]
local waits = value == '' or waited == '0'
local function hold(flag)
  local flags = token == ARGV[1] and changed == '0' and '00' or flag and '0' or ''
  local lease = string.format('blocked:%s:%s%.0f', ARGV[1], flags, now + ARGV[2])
  redis.call('SET', KEYS[1], lease, 'PX', ARGV[3])
end
"""

# Arguments: token, milliseconds of the lease, milliseconds of its key, `waits` where the caller waits if it is held.
# A server that accepts no writes now says all the same what it has.
# A client that sends the command again because the reply was lost finds its own token, and has the lease. A takeover
# may have the waiters of the earlier holder.
ACQUIRE = f"""{_LEASE}
if not free and (tonumber(ends or '') or math.huge) > now then
  if token and waited == '' and ARGV[4] == 'waits' then
    redis.pcall('SET', KEYS[1], string.format('blocked:%s:0%s', token, ends), 'KEEPTTL')
  end
  return redis.call('GET', KEYS[1])
end
hold(value ~= '' and (token ~= ARGV[1] or waits))
return false
"""

# Arguments: token, milliseconds of the lease, milliseconds of its key.
RENEW = f"""{_LEASE}
if not free then return 0 end
hold(waits)
return 1
"""

# Arguments: token, result, its life in milliseconds, and what the result is: `final`; `lean`, without a body that is
# added where somebody waits, and 2 is returned; `body`, with the lean result as the fifth argument; or `needed`, of no
# use without its body. Bodies take no more than half of Redis's memory: above that, a result goes without, and is
# streamed from S3; one that needs it leaves the lease as it is, and 3 is returned. Nor is one kept that needs its body
# and is of a photo that has changed: nothing would tell that from the new one's until it is written.
COMPLETE = f"""{_LEASE}
if not free then return 0 end
if ARGV[4] == 'lean' and waits then return 2 end
local result = ARGV[2]
if ARGV[4] == 'needed' and changed == '0' then
  redis.call('DEL', KEYS[1])
  redis.call('SPUBLISH', KEYS[1], '')
  return 1
end
if ARGV[4] == 'body' or ARGV[4] == 'needed' then
  local info = redis.pcall('INFO', 'memory')
  local memory = type(info) == 'string' and info or ''
  local function bytes(field) return tonumber(string.match(memory, '\\n' .. field .. ':(%d+)') or '0') end
  local most = bytes('maxmemory') > 0 and bytes('maxmemory') or bytes('total_system_memory')
  if most > 0 and bytes('used_memory') + #result > most / 2 then
    if ARGV[4] == 'needed' then return 3 end
    result = ARGV[5]
  end
end
redis.call('SET', KEYS[1], result, 'PX', ARGV[3])
if waits then redis.call('SPUBLISH', KEYS[1], '') end
return 1
"""

# Argument: token.
RELEASE = f"""{_LEASE}
if value == '' or not free then return 0 end
redis.call('DEL', KEYS[1])
if waits then redis.call('SPUBLISH', KEYS[1], '') end
return 1
"""

# Arguments: how the value begins, as in EVICT, the value that replaces it, and its life in milliseconds.
REPLACE = """
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""

# Argument: how the value begins, which distinguishes a result from the next one under the same key; empty for any. Then
# a lease stays, and is noted to be of an earlier photo. Returns 1 where there was either.
EVICT = """
if ARGV[1] == '' then
  local token, ends = string.match(redis.call('GETRANGE', KEYS[1], 0, 63), '^blocked:(%x+):?0*(%d*)$')
  if token then
    redis.call('SET', KEYS[1], string.format('blocked:%s:00%s', token, ends), 'KEEPTTL')
    return 1
  end
elseif redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
