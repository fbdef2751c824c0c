import Inference
import Scheduling

/// All that a seed decides beforehand: the machines, the network, what goes wrong and how often.
///
/// Each run draws which faults there are at all: a run with few kinds goes deeper into them than one with a little of
/// everything ever would.
struct SimulationPlan: Sendable {
    struct FaultRate: Sendable {
        var kind: FaultKind
        var meanSeconds: Double
    }

    var machines: [WorkerDescription] = []
    var routerCount = 1
    var cost = StepCost.measured
    /// A model whose steps may take seconds.
    var isLarge = false
    var draftRate = 0.0
    var limits = SchedulingLimits()
    /// Clients come, and things go wrong, for so long; then everything must end.
    var activeSeconds: Double
    var requestCount: Int
    var faults: [FaultRate] = []
    var poisonCount = 0
    /// Who asks: clients are spread over so many tenants.
    var tenantCount = 1
    /// Part of the requests that may get up to 300 tokens; the others get up to 50.
    let longAnswerShare: Double
    var delaySeconds: Double
    var jitterSeconds: Double
    /// What a router takes to notice a silent connection: 200 ms of silence, then a ping that waits for 600 ms.
    let pingSeconds = 0.8
    let tickSeconds = 0.05

    init(_ options: SimulationOptions, _ random: inout SimulatedRandom) {
        activeSeconds = random.logUniform(2...15)
        requestCount = options.requestCount ?? random.integer(20...80)
        delaySeconds = random.logUniform(5e-5...5e-3)
        longAnswerShare = random.happens(0.3) ? random.uniform(0.1...1) : 0.05
        jitterSeconds = random.happens(0.5) ? delaySeconds * random.uniform(0...5) : 0
        drawMachines(options.workerCount ?? random.integer(1...6), &random)
        drawLimits(&random)
        let enabled = options.faults ?? Set(FaultKind.firstKinds.filter { _ in random.happens(0.25) })
        for kind in FaultKind.firstKinds where enabled.contains(kind) {
            if kind == .poison {
                poisonCount = random.integer(1...2)
            } else {
                faults.append(FaultRate(kind: kind, meanSeconds: activeSeconds * random.logUniform(0.1...1)))
            }
        }
        if random.happens(0.3) { draftRate = random.uniform(0...0.6) }
        drawTenants(&random)
    }

    /// Several routers in three of ten runs. A worker has a slot and some pages for each of them.
    mutating func drawRouters(_ options: SimulationOptions, _ random: inout SimulatedRandom) {
        let drawn = random.happens(0.3) ? random.integer(2...3) : 1
        routerCount = options.routerCount ?? drawn
        for index in machines.indices {
            machines[index].slotCount = max(machines[index].slotCount, routerCount)
            machines[index].pageCount = max(machines[index].pageCount, 4 * routerCount)
        }
    }

    /// Whether workers tell that a long step moves, models so large that steps are long, and machines that have too much
    /// to do.
    mutating func drawSteps(_ options: SimulationOptions, _ random: inout SimulatedRandom) {
        if random.happens(0.8) {
            for index in machines.indices { machines[index].signSeconds = SimulatedMachine.signSeconds }
        }
        isLarge = random.happens(0.2)
        if isLarge { cost *= random.logUniform(1...20) }
        guard options.faults.map({ $0.contains(.busy) }) ?? random.happens(0.25) else { return }
        faults.append(FaultRate(kind: .busy, meanSeconds: activeSeconds * random.logUniform(0.1...1)))
    }

    private mutating func drawTenants(_ random: inout SimulatedRandom) {
        guard random.happens(0.4) else { return }
        tenantCount = random.integer(2...6)
        limits.tenantMemorySeconds = random.logUniform(0.1...60)
        if random.happens(0.3) { limits.tenantsMax = random.integer(1...tenantCount) }
        for tenant in 0..<tenantCount where random.happens(0.3) {
            limits.tenantWeights["\(tenant)"] = random.logUniform(0.2...5)
        }
    }

    private mutating func drawMachines(_ count: Int, _ random: inout SimulatedRandom) {
        let hasTwoNumerics = random.happens(0.25)
        let isMixed = random.happens(0.3)
        var (slots, pages) = (0, 0)
        let context = 64 * random.integer(4...16)
        for index in 0..<count {
            if index == 0 || isMixed {
                slots = random.integer(1...8)
                // From less than a context to all that the slots could fill.
                pages = random.integer(max(4, context / 24)...(slots + 1) * context / 16)
            }
            machines.append(
                WorkerDescription(
                    model: "m", numericsID: hasTwoNumerics && index % 2 == 1 ? "b" : "a", epoch: 1, slotCount: slots,
                    pageCount: pages, pageTokenCount: 16, contextLength: context,
                    vocabularySize: SimulatedModel.vocabularySize, stepTokenBudget: 64))
        }
        cost.fixedSeconds *= random.logUniform(0.5...8)
    }

    private mutating func drawLimits(_ random: inout SimulatedRandom) {
        limits.queueTimeoutSeconds = random.logUniform(2...60)
        limits.requestTimeoutSeconds = random.logUniform(20...120)
        if random.happens(0.3) { limits.queueRequestsMax = random.integer(1...40) }
        if random.happens(0.1) { limits.queueTokensMax = random.integer(500...20_000) }
    }
}
