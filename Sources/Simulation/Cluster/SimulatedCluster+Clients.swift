import Inference
import Scheduling

/// Someone who asks, reads, perhaps leaves, thinks and asks again.
struct SimulatedClient: Sendable {
    /// All that was said; the next prompt begins with it.
    var conversation: [TokenID]
    var turnsLeft: Int
    var thinkSeconds: Double
    var priority: Int
    var poison: Int?
    var isProbe = false
    /// Times the same turn may be asked again after a refusal or the router's death.
    var retriesLeft = 3
}

enum RequestEnd: Sendable {
    case completed, cancelled, routerDied
    case failed(ServeError)
}

extension SimulatedCluster {
    mutating func scheduleClients() {
        let systemPrompts = (0..<3).map { _ in words(clientRandom.integer(0...6) * 16) }
        let turns = clientRandom.happens(0.5) ? 1 : 4
        let hasPriorities = clientRandom.happens(0.3)
        let burst = clientRandom.happens(0.4) ? clientRandom.uniform(0.1...0.5) : 1
        let isClosedLoop = clientRandom.happens(0.4)
        let clientCount = max(1, plan.requestCount / ((turns + 1) / 2))
        let mean = plan.activeSeconds * 0.9 / Double(clientCount)
        var time = 0.0
        for _ in 0..<clientCount {
            time += isClosedLoop ? 0 : clientRandom.gamma(shape: burst, scale: mean / burst)
            clients.append(
                SimulatedClient(
                    conversation: systemPrompts[clientRandom.below(3)], turnsLeft: clientRandom.integer(1...turns),
                    thinkSeconds: clientRandom.logUniform(0.01...2),
                    priority: hasPriorities ? clientRandom.below(3) : 0))
            queue.schedule(.clientActed(clients.count - 1), at: after(time))
        }
        for number in 0..<plan.poisonCount {
            clients.append(
                SimulatedClient(
                    conversation: [], turnsLeft: 1, thinkSeconds: 0, priority: 0, poison: number))
            let time = clientRandom.uniform(0...plan.activeSeconds * 0.8)
            queue.schedule(.clientActed(clients.count - 1), at: after(time))
        }
    }

    /// Requests of the calm, which must succeed.
    mutating func scheduleProbes() {
        for _ in 0..<3 {
            clients.append(
                SimulatedClient(
                    conversation: words(16), turnsLeft: 1, thinkSeconds: 0, priority: 0, isProbe: true,
                    retriesLeft: plan.isLarge ? 400 : 20))
            queue.schedule(.clientActed(clients.count - 1), at: after(clientRandom.uniform(5...8)))
            probesLeft += 1
        }
    }

    private mutating func words(_ count: Int) -> [TokenID] {
        let range = SimulatedModel.firstWord...SimulatedModel.vocabularySize - 1
        return (0..<count).map { _ in TokenID(clientRandom.integer(range)) }
    }

    /// A router's share of slots, or a model with long steps, may hold for a while what was begun before the calm; nil: as
    /// others wait.
    private var probePatienceSeconds: Double? { plan.isLarge ? 600 : routers.count > 1 ? 60 : nil }

    // MARK: - Asking

    mutating func act(_ index: Int) {
        guard clients[index].turnsLeft > 0, !isCalm || clients[index].isProbe else { return }
        guard let router = reachableRouter(index) else {
            queue.schedule(.clientActed(index), at: after(0.1 + clientRandom.unit()))
            return
        }
        let context = plan.machines.map(\.contextLength).min() ?? 0
        let (spec, journals) = ask(index, context: context)
        guard spec.prompts.allSatisfy({ $0.count < context }) else {
            clients[index].turnsLeft = 0
            return
        }
        submit(spec, journals, client: index, router)
    }

    /// A client keeps to its router, mostly, and turns to the next one where that is down.
    private mutating func reachableRouter(_ client: Int) -> Int? {
        let count = routers.count
        guard count > 1 else { return routers[0].isUp ? 0 : nil }
        let isFaithful = clients[client].isProbe || routerRandom.happens(0.8)
        let first = isFaithful ? client % count : routerRandom.below(count)
        return (0..<count).map { (first + $0) % count }.first { routers[$0].isUp }
    }

    private mutating func ask(_ index: Int, context: Int) -> (RequestSpec, [SimulatedJournal]) {
        let client = clients[index]
        var prompts: [[TokenID]] = []
        if let poison = client.poison {
            prompts = [[SimulatedModel.poisonToken, TokenID(poison)] + words(clientRandom.integer(1...60))]
        } else {
            let isSimple = client.isProbe || clientRandom.happens(0.9)
            for _ in 0..<(isSimple ? 1 : 2) {
                let length =
                    clientRandom.happens(0.05) ? clientRandom.integer(1...context) : clientRandom.integer(1...80)
                prompts.append(client.conversation + words(client.isProbe ? 8 : length))
            }
        }
        let choiceCount = client.poison != nil || client.isProbe || clientRandom.happens(0.85) ? 1 : 3
        let maxTokens = clientRandom.integer(1...(clientRandom.happens(plan.longAnswerShare) ? 300 : 50))
        lastRequest += 1
        let spec = RequestSpec(
            id: RequestID(lastRequest), model: "m", prompts: prompts, choiceCount: choiceCount,
            maxTokens: client.isProbe ? 4 : maxTokens, priority: client.priority,
            usesPrefixCache: clientRandom.happens(0.95), tenant: "\(index % plan.tenantCount)",
            queueTimeoutSeconds: client.isProbe
                ? probePatienceSeconds : clientRandom.happens(0.05) ? clientRandom.uniform(0.05...2) : nil,
            requestTimeoutSeconds: !client.isProbe && clientRandom.happens(0.05) ? clientRandom.uniform(0.1...5) : nil)
        let seed = clientRandom.next()
        let journals = prompts.flatMap { prompt in
            (0..<choiceCount).map { choice in
                var sampling = SamplingParameters()
                sampling.seed = CounterRandom.seed(seed, choice: choice)
                sampling.maxTokens = spec.maxTokens
                sampling.minTokens = clientRandom.integer(0...spec.maxTokens)
                sampling.stopTokens = [SimulatedModel.endToken]
                let stop = clientRandom.happens(0.1) ? clientRandom.integer(1...spec.maxTokens) : nil
                return SimulatedJournal(prompt: prompt, sampling: sampling, stopAfter: stop)
            }
        }
        return (spec, journals)
    }

    private mutating func submit(
        _ spec: RequestSpec, _ journals: [SimulatedJournal], client: Int, _ router: Int
    ) {
        let waiting = routers[router].scheduler.waitingRequests
        do throws(ServeError) {
            let actions = try routers[router].scheduler.requestSubmitted(spec, now: now)
            if waiting > 0, waiting >= plan.limits.queueRequestsMax {
                violate(
                    "\(spec.id) was accepted behind \(waiting) that waited; the limit is \(plan.limits.queueRequestsMax)"
                )
            }
            report.submitted += 1
            routers[router].openCount += 1
            requests[spec.id] = OpenRequest(
                spec: spec, client: client, router: router, submittedAt: now, isPoison: clients[client].poison != nil,
                isProbe: clients[client].isProbe, choices: journals, idleSince: now)
            perform(actions)
            if !clients[client].isProbe && clientRandom.happens(0.07) {
                queue.schedule(.clientLeft(spec.id), at: after(clientRandom.logUniform(0.001...3)))
            }
        } catch {
            refused(spec, error, client, router, waiting: waiting)
        }
    }

    private mutating func refused(
        _ spec: RequestSpec, _ error: ServeError, _ client: Int, _ router: Int, waiting: Int
    ) {
        report.refused += 1
        checkRefusal(of: spec, error, by: router, waiting: waiting)
        switch error {
        case .queueFull(_, _, _, let seconds), .queueSlow(_, _, let seconds):
            retry(client, after: min(1, Double(seconds)) * clientRandom.uniform(0.5...1.5))
        case .modelNotFound: retry(client, after: clientRandom.uniform(0.05...0.5))
        default: clients[client].turnsLeft = 0
        }
    }

    private mutating func retry(_ client: Int, after seconds: Double) {
        guard clients[client].retriesLeft > 0 else {
            if clients[client].isProbe { violate("A request was refused again and again after all faults had ended.") }
            clients[client].turnsLeft = 0
            return
        }
        clients[client].retriesLeft -= 1
        queue.schedule(.clientActed(client), at: after(seconds))
    }

    mutating func leave(_ id: RequestID) {
        guard let router = requests[id]?.router else { return }
        end(id, .cancelled)
        perform(routers[router].scheduler.requestCancelled(id, now: now))
    }

    // MARK: - Answers

    mutating func end(_ id: RequestID, _ end: RequestEnd) {
        guard let request = requests.removeValue(forKey: id) else {
            violate("\(id) ended twice, or was never there")
            return
        }
        routers[request.router].openCount -= 1
        report.hash.add(id.rawValue)
        switch end {
        case .completed:
            report.completed += 1
            if request.isProbe { probesLeft -= 1 }
            answered(request)
        case .cancelled:
            report.cancelled += 1
            clients[request.client].turnsLeft = 0
        case .routerDied:
            report.failed["router_died", default: 0] += 1
            if request.isPoison { clients[request.client].turnsLeft = 0 } else { retry(request.client, after: 1) }
        case .failed(let error):
            report.failed[error.kind, default: 0] += 1
            if request.isProbe { violate("\(id) failed after all faults had ended: \(error)") }
            clients[request.client].turnsLeft = 0
        }
    }

    private mutating func answered(_ request: OpenRequest) {
        let client = request.client
        clients[client].turnsLeft -= 1
        guard clients[client].turnsLeft > 0, let first = request.choices.first else { return }
        let answer = first.output.filter { $0 != SimulatedModel.endToken }
        clients[client].conversation = first.prompt + answer
        queue.schedule(.clientActed(client), at: after(clientRandom.exponential(mean: clients[client].thinkSeconds)))
    }
}

extension ServeError {
    var kind: String {
        switch self {
        case .invalidRequest: "invalid_request"
        case .modelNotFound: "model_not_found"
        case .contextExceeded: "context_exceeded"
        case .queueFull: "queue_full"
        case .queueSlow: "queue_slow"
        case .timedOut: "timed_out"
        case .unavailable: "unavailable"
        case .shuttingDown: "shutting_down"
        case .internalFailure: "internal_failure"
        }
    }
}
