"""The registry's changes as Lua: each is one atomic step with its revision and its log entry.

XADD comes before every other write: it refuses an id that the log has passed, which happens when
`rev` was lost, and a script that stops half-way keeps what it wrote before.
"""

from __future__ import annotations

PUBLISH = """
local newest = redis.call('HGET', KEYS[2], ARGV[1])
local version, digest = 0, ''
if newest then
  version, digest = string.match(newest, '^(%d+) (.+)$')
  version = tonumber(version)
end
if digest == ARGV[2] then
  if redis.call('EXISTS', KEYS[5]) == 0 then redis.call('SET', KEYS[5], ARGV[4]) end
  return {version, 0}
end
version = version + 1
local rev = (tonumber(redis.call('GET', KEYS[3])) or 0) + 1
redis.call('XADD', KEYS[4], rev .. '-0', 'kind', 'vector.publish',
  'subject', ARGV[1] .. '/' .. version, 'actor', ARGV[5], 'at', ARGV[6],
  'before', newest or '', 'after', version .. ' ' .. ARGV[2])
redis.call('SET', KEYS[3], rev)
redis.call('SET', KEYS[5], ARGV[4])
redis.call('HSET', KEYS[1], ARGV[1] .. '/' .. version, ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], version .. ' ' .. ARGV[2])
return {version, 1}
"""
"""KEYS vectors newest rev log blob; ARGV name_field digest entry bytes actor at.
Returns {version, 1 when it was created}. A blob that was lost is put back by the same bytes."""

SET_ALIAS = """
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then return -1 end
local before = redis.call('HGET', KEYS[2], ARGV[1])
if before == ARGV[3] then return 0 end
local rev = (tonumber(redis.call('GET', KEYS[3])) or 0) + 1
redis.call('XADD', KEYS[4], rev .. '-0', 'kind', 'alias.set', 'subject', ARGV[1],
  'actor', ARGV[4], 'at', ARGV[5], 'before', before or '', 'after', ARGV[3])
redis.call('SET', KEYS[3], rev)
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
return 1
"""
"""KEYS vectors aliases rev log; ARGV alias_field version_field version actor at.
Returns 1 when it was changed, 0 when it was so already, -1 when there is no such version."""
