-- wrk's script: each request asks about a random key; each answer is checked.
-- Environment: KEYS (a file, one key a line), DOOR (a name below), GATEWAY (Basic ...), FLOOR (1
-- where the floor is asked, which answers everybody with the same constant).
local keys = {}
local name, gateway = os.getenv("DOOR"), os.getenv("GATEWAY")
local threads = {}
local form = "application/x-www-form-urlencoded"

local function signed(body)
  return body:find("^eyJ[%w_-]+%.[%w_-]+%.[%w_-]+$")
end

local function active(body)
  return body:find('"active": *true')
end

local doors = {
  introspect = {
    ask = function(key)
      return wrk.format("POST", "/oauth/introspect", {
        ["Authorization"] = gateway, ["Content-Type"] = form,
      }, "token=" .. key)
    end,
    good = active,
  },
  authorize = {
    ask = function(key)
      return wrk.format("GET", "/gateway/authorize?scope=model:infer", {
        ["X-Gateway-Authorization"] = gateway, ["Authorization"] = "Bearer " .. key,
      })
    end,
    good = function(body) return body == "" end,
  },
  oauth_token = {
    ask = function(key)
      return wrk.format("POST", "/oauth/token", { ["Content-Type"] = form },
        "grant_type=client_credentials&client_id=" .. key:match("^tpk_%a+_(%w+)_")
        .. "&client_secret=" .. key)
    end,
    good = function(body) return signed(body:match('"access_token": *"([^"]*)"') or "") end,
  },
  snapshot = {
    ask = function(key)
      return wrk.format("GET", string.format("/gateway/snapshot?nonce=bench-%016d",
        math.random(1, 2 ^ 31)), { ["Authorization"] = gateway })
    end,
    good = signed,
  },
  status_list = {
    ask = function(key) return wrk.format("GET", "/gateway/status-list") end,
    good = signed,
  },
}
local door = doors[name]
local good = os.getenv("FLOOR") == "1" and active or door.good

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  math.randomseed(tonumber(tostring(keys):match("0x(%x+)"), 16) % 2147483647)
  for key in io.lines(os.getenv("KEYS")) do keys[#keys + 1] = key end
  wrong_answers = 0
end

function request()
  return door.ask(keys[math.random(#keys)])
end

function response(status, headers, body)
  if status ~= 200 or not good(body) then
    wrong_answers = wrong_answers + 1
  end
end

function done(summary, latency, requests)
  local wrong = 0
  for _, thread in ipairs(threads) do wrong = wrong + thread:get("wrong_answers") end
  io.write(string.format(
    "RESULT {\"rps\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"errors\": %d, \"requests\": %d}\n",
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3,
    wrong + summary.errors.connect + summary.errors.read + summary.errors.write
      + summary.errors.timeout, summary.requests))
end
