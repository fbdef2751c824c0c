import Inference

/// What goes wrong, and how it is healed.
extension SimulatedCluster {
    mutating func scheduleFault(_ rate: SimulationPlan.FaultRate) {
        let time = after(faultRandom.exponential(mean: rate.meanSeconds))
        queue.schedule(.faultStruck(rate.kind), at: time)
    }

    mutating func count(_ kind: FaultKind) { report.faults[kind.rawValue, default: 0] += 1 }

    mutating func strike(_ kind: FaultKind) {
        guard !isCalm else { return }
        if let rate = plan.faults.first(where: { $0.kind == kind }) { scheduleFault(rate) }
        if kind == .routerRestart {
            let router = oneRouter()
            guard routers[router].isUp else { return }
            count(kind)
            stopRouter(router)
            queue.schedule(.routerStarted(router), at: after(faultRandom.uniform(0.05...1.5)))
            return
        }
        let living = machines.indices.filter { machines[$0].worker != nil }
        guard !living.isEmpty else { return }
        let victim = living[faultRandom.below(living.count)]
        if kind != .drain { count(kind) }
        switch kind {
        case .crash: kill(victim)
        case .crashAllButOne: for index in living where index != victim { kill(index) }
        case .freeze: freeze(victim, seconds: faultRandom.logUniform(0.05...5))
        case .hang: hang(victim, seconds: faultRandom.logUniform(0.05...8))
        case .slow:
            if !machines[victim].isSlow(at: now) { machines[victim].slowSince = now }
            machines[victim].slowUntil = after(faultRandom.logUniform(0.1...5))
        case .busy:
            let (seconds, factor) = (stepRandom.logUniform(0.1...5), stepRandom.uniform(2...5))
            for index in machines.indices {
                machines[index].busyUntil = after(seconds)
                machines[index].busyFactor = factor
            }
        case .partition: partition(victim, seconds: faultRandom.logUniform(0.02...5))
        case .linkLoss:
            let place = LinkPlace(machine: victim, router: oneRouter())
            guard self[place].isConnected else { return }
            queue.schedule(.linkLost(place, link: self[place].number), at: now)
        case .delay:
            let until = after(faultRandom.logUniform(0.1...3))
            for place in someLinks(of: victim) { self[place].delayedUntil = until }
            trouble(victim, until: until)
        case .drain: drain(victim)
        case .rollingRestart:
            let pause = faultRandom.uniform(0.2...3)
            for (place, index) in living.enumerated() {
                queue.schedule(.drainBegan(machine: index), at: after(Double(place) * pause))
            }
        case .routerRestart, .poison: break
        }
        forgivePassing()
    }

    private mutating func oneRouter() -> Int { routers.count > 1 ? routerRandom.below(routers.count) : 0 }

    /// One, or all: the fault is near the router or near the machine.
    private mutating func someLinks(of machine: Int) -> [LinkPlace] {
        guard routers.count > 1, routerRandom.happens(0.5) else { return links(of: machine) }
        return [LinkPlace(machine: machine, router: oneRouter())]
    }

    /// It may look silent for so long, and no longer.
    mutating func trouble(_ index: Int, for seconds: Double) { trouble(index, until: after(seconds)) }

    private mutating func trouble(_ index: Int, until instant: Instant) {
        machines[index].troubledUntil = max(instant, machines[index].troubledUntil ?? instant)
    }

    private mutating func hang(_ index: Int, seconds: Double) {
        if !machines[index].isHung(at: now) { machines[index].hungSince = now }
        machines[index].hungUntil = after(seconds)
        trouble(index, for: seconds)
    }

    private mutating func freeze(_ index: Int, seconds: Double) {
        let until = max(after(seconds), machines[index].frozenUntil ?? now)
        machines[index].frozenUntil = until
        trouble(index, until: until)
        queue.schedule(.thawed(machine: index, process: machines[index].process), at: until)
        for place in links(of: index) { losePing(place, silence: seconds) }
    }

    private mutating func partition(_ index: Int, seconds: Double) {
        trouble(index, for: seconds)
        for place in someLinks(of: index) {
            self[place].partitionedUntil = max(after(seconds), self[place].partitionedUntil ?? now)
            losePing(place, silence: seconds)
        }
    }

    private mutating func losePing(_ place: LinkPlace, silence seconds: Double) {
        guard seconds > plan.pingSeconds, self[place].isConnected else { return }
        let time = after(plan.pingSeconds + 0.2 * faultRandom.unit())
        queue.schedule(.linkLost(place, link: self[place].number), at: time)
    }

    // MARK: - Calm

    /// Everything is healed; what is open must end, and soon.
    mutating func beginCalm() {
        isCalm = true
        for router in routers.indices { startRouter(router) }
        for id in requests.keys.sorted() where requests[id]?.isPoison == true { leave(id) }
        for index in machines.indices {
            (machines[index].slowSince, machines[index].slowUntil) = (nil, nil)
            (machines[index].hungSince, machines[index].hungUntil) = (nil, nil)
            machines[index].busyUntil = nil
            for place in links(of: index) {
                self[place].partitionedUntil = nil
                self[place].delayedUntil = nil
                self[place].dialPauseSeconds = 0.05
                queue.schedule(.dialled(place, link: self[place].number), at: now)
            }
            if machines[index].frozenUntil != nil {
                machines[index].frozenUntil = now
                queue.schedule(.thawed(machine: index, process: machines[index].process), at: now)
            }
        }
        scheduleProbes()
        calmEnd = after(options.calmSeconds ?? calmSeconds)
    }

    /// Twenty seconds for processes to come back and timers to pass, and three times what the work that is open would
    /// take one router's share of the slowest machine alone.
    private var calmSeconds: Double {
        let rows = machines.map(\.description.slotCount).min() ?? 1
        let stepSeconds = plan.cost.seconds(decodeRows: rows, promptTokens: 0, attendedPairs: rows * 1024)
        let work = requests.values.reduce(0.0) { sum, request in
            request.choices.reduce(sum) { sum, choice in
                let prompt = Double(choice.prompt.count + choice.output.count) * 2 * plan.cost.promptTokenSeconds
                return sum + prompt + Double(choice.sampling.maxTokens) * stepSeconds / Double(rows)
            }
        }
        return 20 + 3 * work * Double(routers.count) + 300 * stepSeconds
    }

    var isOver: Bool { isCalm && probesLeft == 0 && requests.isEmpty && calmEnd.map { $0 <= now } ?? false }
}
