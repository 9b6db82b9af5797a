-- wrk's script: each request asks about a random key; each answer is checked.
-- Environment: KEYS (a file, one key a line), DOOR (introspect or authorize), GATEWAY (Basic ...).
local keys, wrong, first = {}, 0, nil
local door, gateway = os.getenv("DOOR"), os.getenv("GATEWAY")
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  math.randomseed(tonumber(tostring(keys):match("0x(%x+)"), 16) % 2147483647)
  for key in io.lines(os.getenv("KEYS")) do keys[#keys + 1] = key end
  wrong_answers = 0
end

function request()
  local key = keys[math.random(#keys)]
  if door == "introspect" then
    return wrk.format("POST", "/oauth/introspect", {
      ["Authorization"] = gateway, ["Content-Type"] = "application/x-www-form-urlencoded",
    }, "token=" .. key)
  end
  return wrk.format("GET", "/gateway/authorize?scope=model:infer", {
    ["X-Gateway-Authorization"] = gateway, ["Authorization"] = "Bearer " .. key,
  })
end

function response(status, headers, body)
  if status ~= 200 or (door == "introspect" and not body:find('"active": *true')) then
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
