"""Ways to break the scheduler, each at a place that is there once."""

from collections import namedtuple

Mutation = namedtuple("Mutation", "name file old new")

MUTATIONS = [
    Mutation(
        "draining workers get new sequences", "WorkerRecord.swift",
        "var isOffered: Bool { state == .ready && freeSlots > 0",
        "var isOffered: Bool { (state == .ready || state == .draining) && freeSlots > 0"),
    Mutation(
        "late tokens of a moved sequence count", "RunningSequence.swift",
        "guard worker == host else { return nil }", ""),
    Mutation(
        "half of a reservation of pages is not given back", "WorkerRecord.swift",
        "        if trial == sequence { trial = nil }\n        reservedPages -= growth",
        "        if trial == sequence { trial = nil }\n        reservedPages -= growth / 2"),
    Mutation(
        "slots promised and not yet seen by the worker count as free", "WorkerRecord.swift",
        "min(load.freeSlots - unseen.count, description.slotCount - assigned.count)",
        "min(load.freeSlots, description.slotCount)"),
    Mutation(
        "pages promised and not yet seen by the worker count as free", "WorkerRecord.swift",
        "load.freePages - unseenPages - pages(", "load.freePages - pages("),
    Mutation(
        "what kills every worker is never taken out", "ClusterScheduler+Deaths.swift",
        "deaths >= deathsMax {", "deaths >= deathsMax + 40 {"),
    Mutation(
        "a worker died of what never came to it", "ClusterScheduler+Deaths.swift",
        "!worker.hasTaken(running.command)", "false"),
    Mutation(
        "workers that die together speak for nobody", "ClusterScheduler+Deaths.swift",
        "accusation.deathsMax + (choice.isDoubtful ? 1 : 0)", "accusation.deathsMax"),
    Mutation(
        "suspects are tried in company", "ClusterScheduler+Placement.swift",
        "!demand.isOnTrial || canTry(demand, on: worker)", "true"),
    Mutation(
        "others join a suspect that is tried", "ClusterScheduler+Placement.swift",
        "guard worker.isOffered, worker.trial == nil,", "guard worker.isOffered,"),
    Mutation(
        "a suspect is tried at once", "SchedulingLimits.swift",
        "package var trialPauseSeconds = 0.05", "package var trialPauseSeconds = 0.0"),
    Mutation(
        "a stalled worker is not suspected", "ClusterScheduler+Time.swift",
        "            suspect(now, into: &actions)\n", ""),
    Mutation(
        "a suspect worker keeps its sequences", "ClusterScheduler+Time.swift",
        "                moveAll(from: id, now: now, into: &actions)\n", ""),
    Mutation(
        "a sign of life does not end suspicion", "ClusterScheduler+Workers.swift",
        "guard let worker = workers[id], worker.state == .suspect else { return }",
        "guard let worker = workers[id], worker.state == .gone else { return }"),
    Mutation(
        "a long step that moves is taken for one that hangs", "ClusterScheduler+Workers.swift",
        "        rearm(id, now: now)\n        if wasSuspect", "        if wasSuspect"),
    Mutation(
        "one that promises signs of life is given the time of one that does not", "WorkerRecord.swift",
        "if let signSeconds = description.signSeconds {",
        "if let signSeconds = description.signSeconds, signSeconds > 10 {"),
    Mutation(
        "more than half are set aside for their pace", "ClusterScheduler+Slowness.swift",
        "maySetAside: slowCount < usable.count / 2", "maySetAside: true"),
    Mutation(
        "a slow worker that was silent beyond its pause need not show its pace", "ClusterScheduler+Workers.swift",
        "if worker.slowUntil != nil {", "if false {"),
    Mutation(
        "a cancel is not counted as a command", "ClusterScheduler+Choices.swift",
        "        workers[worker]?.countCommand()\n        actions.append(.cancel", "        actions.append(.cancel"),
    Mutation(
        "an ended request leaves sequences running", "ClusterScheduler+Choices.swift",
        "            if case .running(let sequence) = state { cancel(sequence, into: &actions) }\n", ""),
    Mutation(
        "a choice that moves loses its tokens", "ClusterScheduler+Choices.swift",
        "choices[id.index].advance(by: news, numericsID: numericsID)",
        "choices[id.index].advance(by: [], numericsID: numericsID)"),
    Mutation(
        "a stream goes on with workers that give other bits", "RequestRecord.swift",
        "if numericsID == nil { numericsID = made }", "numericsID = nil"),
    Mutation(
        "what a refusing worker gave back does not wait again", "ClusterScheduler+Workers.swift",
        "        requeue(sequence, .refused, now: now, into: &actions)\n", ""),
    Mutation(
        "a worker that refuses is asked again at once", "ClusterScheduler+Workers.swift",
        "        workers[id]?.pausedUntil = now.advanced(bySeconds: pause)\n", ""),
    Mutation(
        "requests wait half as long again as they may", "ClusterScheduler+Choices.swift",
        "bySeconds: waiting.timeout ?? limits.queueTimeoutSeconds))",
        "bySeconds: 1.5 * (waiting.timeout ?? limits.queueTimeoutSeconds)))"),
    Mutation(
        "the queue holds one more than its bound", "QueueLoad.swift",
        "self[$0] > limit[$0] - new[$0]", "self[$0] - 1 > limit[$0] - new[$0]"),
    Mutation(
        "the newest go first", "WaitingLine.swift", "return a.ticket < b.ticket", "return a.ticket > b.ticket"),
    Mutation(
        "tenants are not charged for output", "ClusterScheduler+Tenants.swift",
        "charge(limits.outputTokenWeight * Double(count), to: tenant, model)", "_ = (count, tenant, model)"),
    Mutation(
        "nobody is refused for how slowly the queue moves", "ClusterScheduler+Tenants.swift",
        "Double(ahead) > limits.queueWaitSecondsMax * rate,", "false,"),
    Mutation(
        "workers are chosen by room alone, whatever they have cached", "ClusterScheduler+Placement.swift",
        "let held = min(demand.tokenCount, depth * host.description.pageTokenCount)", "let held = 0 * depth"),
]
