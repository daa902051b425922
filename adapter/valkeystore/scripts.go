package valkeystore

import (
	"crypto/fips140"

	"github.com/valkey-io/valkey-go"
)

// operation is a method of the store. Its name is in errors.
type operation string

const (
	load   operation = "load"
	lease  operation = "lease"
	save   operation = "save"
	revoke operation = "revoke"
)

// A key has up to three strings: its generation, its value with the generation in front, and its lease, which is the
// pause, 0 or 1, and the owner. All of them expire. What others wrote there is ignored and overwritten.
//
// The generation lasts for a week after the last operation; a day more saves a write in most operations.
const prelude = `
local GENERATION, VALUE, LEASE = KEYS[1], KEYS[2], KEYS[3]
local function generation()
  local g = redis.call('GET', GENERATION)
  if not g or #g > 16 or not string.find(g, '^[1-9]%d*$') then return '0' end
  if redis.call('PTTL', GENERATION) < 604800000 then redis.call('PEXPIRE', GENERATION, 691200000) end
  return g
end
`

const loadScript = prelude + `
local g = generation()
local left = redis.call('PTTL', VALUE)
if g == '0' or left <= 0 or redis.call('STRLEN', VALUE) > #g + 1 + 65536 then return {g} end
local v = redis.call('GET', VALUE)
if string.sub(v, 1, #g + 1) ~= g .. ':' then return {g} end
return {g, left, string.sub(v, #g + 2)}
`

const leaseScript = prelude + `
local owner, pause, ttl, first = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if generation() == '0' then redis.call('SET', GENERATION, first, 'PX', 691200000) end
local left = redis.call('PTTL', LEASE)
if left > 0 and redis.call('STRLEN', LEASE) <= 1 + 1024 then
  local l = redis.call('GET', LEASE)
  if string.sub(l, 2) ~= owner then return {string.sub(l, 2), string.sub(l, 1, 1), left} end
end
if ttl == '0' then redis.call('DEL', LEASE) return {} end
redis.call('SET', LEASE, pause .. owner, 'PX', ttl)
return {owner, pause, tonumber(ttl)}
`

const saveScript = prelude + `
local owner, g, left, sealed = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if g == '0' or generation() ~= g then return {0} end
redis.call('INCR', GENERATION)
g = redis.call('GET', GENERATION)
redis.call('PEXPIRE', GENERATION, math.max(691200000, tonumber(left)))
if left == '0' then redis.call('DEL', VALUE) else redis.call('SET', VALUE, g .. ':' .. sealed, 'PX', left) end
local l = redis.call('GET', LEASE)
if l and string.sub(l, 2) == owner then redis.call('DEL', LEASE) end
return {1}
`

const revokeScript = prelude + `
if ARGV[1] == '0' or generation() ~= ARGV[1] or redis.call('DEL', VALUE) == 0 then return {0} end
redis.call('INCR', GENERATION)
return {1}
`

// newScripts returns the script of each operation. They are run by EVALSHA, and by EVAL on a server that does not know them
// yet. Neither is marked as retryable, so valkey-go never repeats one that may have been executed.
func newScripts() map[operation]*valkey.Lua {
	script := func(code string) *valkey.Lua { return valkey.NewLuaScript(code) }
	if fips140.Enabled() { // SHA-1 panics under GODEBUG=fips140=only
		script = valkey.NewLuaScriptNoSha
	}
	return map[operation]*valkey.Lua{load: script(loadScript), lease: script(leaseScript), save: script(saveScript), revoke: script(revokeScript)}
}
