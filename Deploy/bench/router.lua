-- Requests of wrk: chats that differ in the user's words. Arguments: tokens of each answer, and "true" for streams.
local words = {
    "river", "stone", "market", "violin", "harbour", "window", "orange", "planet",
    "letter", "garden", "engine", "silver", "winter", "paper", "castle", "bridge",
}
local requests, turn = {}, 0

function init(arguments)
    math.randomseed(7)
    for index = 1, 4096 do
        local topic = {}
        for place = 1, 12 do topic[place] = words[math.random(#words)] end
        requests[index] = wrk.format("POST", "/v1/chat/completions", {["content-type"] = "application/json"},
            '{"model":"m","messages":[{"role":"system","content":"You are a helpful assistant."},' ..
            '{"role":"user","content":"Tell me about the ' .. table.concat(topic, " ") .. '."}],"max_tokens":' ..
            arguments[1] .. ',"temperature":0,"stream":' .. (arguments[2] or "false") .. '}')
    end
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end

function done(summary, latency)
    io.write(string.format("RESULT %d %d %d %d\n", summary.requests, summary.duration,
        latency:percentile(50), summary.errors.status + summary.errors.read + summary.errors.connect))
end
