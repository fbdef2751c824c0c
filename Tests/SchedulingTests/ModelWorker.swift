import Inference

/// A worker as the link's contract describes it, small enough to be obviously right: slots, pages without sharing,
/// prefill in chunks, one token a step, finishes, refusals, preemption of the youngest.
struct ModelWorker {
    struct Running {
        var id: SequenceID
        var tokenCount: Int
        var pendingPrefill: Int
        var outputCount: Int
        var outputLimit: Int
    }

    let description: WorkerDescription
    private(set) var running: [Running] = []
    private(set) var commandsSeen: UInt64 = 0
    private(set) var mailbox: [WorkerCommand] = []
    private var stepNumber: UInt64 = 0
    var isDraining = false

    init(_ description: WorkerDescription) { self.description = description }

    mutating func receive(_ command: WorkerCommand) { mailbox.append(command) }

    var commandsTaken: UInt64 { commandsSeen + UInt64(mailbox.count) }

    var usedPages: Int { running.reduce(0) { $0 + pages($1.tokenCount - $1.pendingPrefill) } }
    var hasWork: Bool { !running.isEmpty || !mailbox.isEmpty }

    var load: WorkerLoad {
        WorkerLoad(
            freeSlots: isDraining ? 0 : max(0, description.slotCount - running.count),
            freePages: max(0, description.pageCount - usedPages), runningSequences: running.count,
            waitingPrefillTokens: running.reduce(0) { $0 + $1.pendingPrefill })
    }

    private func pages(_ tokens: Int) -> Int {
        (tokens + description.pageTokenCount - 1) / description.pageTokenCount
    }

    /// Applies what came, computes one step.
    /// - Parameter lengths: output length of a sequence, decided by the test.
    mutating func step(outputLimit lengths: (AdmittedSequence) -> Int) -> [WorkerEvent] {
        var events: [WorkerEvent] = []
        var entries: [StepEntry] = []
        for command in mailbox {
            commandsSeen += 1
            switch command {
            case .admit(let sequence):
                guard load.freeSlots > 0, load.freePages > 0 else {
                    events.append(.refused(sequence.id))
                    continue
                }
                running.append(
                    Running(
                        id: sequence.id, tokenCount: sequence.tokens.count, pendingPrefill: sequence.tokens.count,
                        outputCount: sequence.tokens.count - sequence.promptTokenCount,
                        outputLimit: lengths(sequence)))
            case .cancel(let id): running.removeAll { $0.id == id }
            case .preempt(let id):
                guard running.contains(where: { $0.id == id }) else { continue }
                running.removeAll { $0.id == id }
                events.append(.preempted(id))
            case .drain: isDraining = true
            }
        }
        mailbox.removeAll()
        var budget = description.stepTokenBudget
        for place in running.indices where running[place].pendingPrefill > 0 && budget > 0 {
            let chunk = min(budget, running[place].pendingPrefill)
            running[place].pendingPrefill -= chunk
            budget -= chunk
        }
        while usedPages > description.pageCount, running.count > 1 {
            events.append(.preempted(running.removeLast().id))
        }
        for place in running.indices.reversed() where running[place].pendingPrefill == 0 {
            running[place].outputCount += 1
            running[place].tokenCount += 1
            let isLast = running[place].outputCount >= running[place].outputLimit
            let token = TokenID(truncatingIfNeeded: running[place].tokenCount % 100)
            entries.append(
                StepEntry(sequence: running[place].id, tokens: [token], finish: isLast ? .length : nil))
            if isLast { running.remove(at: place) }
        }
        stepNumber += 1
        events.append(
            .step(
                StepReport(
                    number: stepNumber, durationMicroseconds: 10_000, tokenCount: entries.count, entries: entries,
                    load: load, commandsSeen: commandsSeen)))
        return events
    }
}
