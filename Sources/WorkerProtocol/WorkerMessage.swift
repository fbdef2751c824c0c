package import Inference

/// What a worker says on a link, as a value.
package enum WorkerMessage: Equatable, Sendable {
    /// With the version of the protocol that counts on this link. The first message.
    case welcome(WorkerDescription, version: UInt32)
    /// Anything but a welcome.
    case event(WorkerEvent)
    /// A newer worker's news, to be passed over.
    case unknown

    /// - Throws: for whatever breaks a rule of worker.proto: columns of different lengths, counts that do not add up,
    ///   token ids below 0, log-probabilities that are not finite, reasons to finish that this version does not know.
    package init(bytes: RawSpan) throws(WireError) {
        if bytes.byteCount <= WireLimits.messageByteMax, let report = StepReport(plain: bytes) {
            self = .event(.step(report))
            return
        }
        switch try WireWorkerMessage.decoded(from: bytes).message {
        case .welcome(let welcome):
            guard welcome.hasDescription_p else { throw .missing(field: "welcome.description") }
            guard ProtocolVersion.supported.contains(welcome.version) else {
                throw .noCommonVersion(
                    theirs: welcome.version...welcome.version, ours: ProtocolVersion.supported)
            }
            self = .welcome(try WorkerDescription(welcome.description_p), version: welcome.version)
        case .step(let step): self = .event(.step(try StepReport(step)))
        case .credit(let credit):
            self = .event(
                .credit(
                    slotCount: try FieldChecks.integer(
                        "credit.slot_count", credit.slotCount, in: 0...WireLimits.slotsMax),
                    pageCount: try FieldChecks.integer(
                        "credit.page_count", credit.pageCount, in: 0...WireLimits.pagesMax),
                    load: try WorkerLoad(credit.load), commandsSeen: credit.commandsSeen))
        case .prefix(let prefix):
            self = .event(.prefix(added: prefix.added, removed: prefix.removed, isSnapshot: prefix.isSnapshot))
        case .preempted(let preempted): self = .event(.preempted(SequenceID(preempted.sequence)))
        case .refused(let refused): self = .event(.refused(SequenceID(refused.sequence)))
        case .draining: self = .event(.draining)
        case .working: self = .event(.working)
        case .taken(let taken): self = .event(.taken(commands: taken.commands))
        case nil: self = .unknown
        }
    }

    /// One event as a message.
    /// - Parameter version: what the link agreed on; a welcome says it.
    package static func bytes(_ event: WorkerEvent, version: UInt32) -> [UInt8] {
        var wire = WireWorkerMessage()
        switch event {
        case .welcome(let description):
            wire.welcome.version = version
            wire.welcome.description_p = description.wire
        case .step(let report): wire.step = report.wire
        case .credit(let slotCount, let pageCount, let load, let commandsSeen):
            wire.credit.slotCount = UInt32(count: slotCount)
            wire.credit.pageCount = UInt32(count: pageCount)
            wire.credit.load = load.wire
            wire.credit.commandsSeen = commandsSeen
        case .prefix(let added, let removed, let isSnapshot):
            wire.prefix.added = added
            wire.prefix.removed = removed
            wire.prefix.isSnapshot = isSnapshot
        case .preempted(let id): wire.preempted.sequence = id.rawValue
        case .refused(let id): wire.refused.sequence = id.rawValue
        case .draining: wire.draining = WireDraining()
        case .working: wire.working = WireWorking()
        case .taken(let commands): wire.taken.commands = commands
        }
        return wire.encoded()
    }
}

extension WorkerDescription {
    /// The whole worker, as `Describe` answers.
    package init(bytes: RawSpan) throws(WireError) {
        try self.init(try WireDescription.decoded(from: bytes))
    }

    package var bytes: [UInt8] { wire.encoded() }

    init(_ wire: WireDescription) throws(WireError) {
        self.init(
            model: try FieldChecks.name("description.model", wire.model),
            numericsID: try FieldChecks.name("description.numerics_id", wire.numericsID),
            epoch: wire.epoch,
            slotCount: try FieldChecks.integer("description.slot_count", wire.slotCount, in: 0...WireLimits.slotsMax),
            pageCount: try FieldChecks.integer("description.page_count", wire.pageCount, in: 0...WireLimits.pagesMax),
            wholePageCount: try FieldChecks.integer(
                "description.whole_page_count", wire.wholePageCount, in: 0...WireLimits.pagesMax),
            pageTokenCount: try FieldChecks.integer(
                "description.page_token_count", wire.pageTokenCount, in: 1...WireLimits.tokensMax),
            contextLength: try FieldChecks.integer(
                "description.context_length", wire.contextLength, in: 1...WireLimits.tokensMax),
            vocabularySize: try FieldChecks.integer(
                "description.vocabulary_size", wire.vocabularySize, in: 1...WireLimits.tokensMax),
            stepTokenBudget: try FieldChecks.integer(
                "description.step_token_budget", wire.stepTokenBudget, in: 1...WireLimits.tokensMax))
        let interval = try FieldChecks.integer(
            "description.sign_interval_ms", wire.signIntervalMs, in: 0...WireLimits.signMillisecondsMax)
        if interval > 0 { signSeconds = Double(interval) / 1000 }
        if wire.tokenizerDigest != 0 { tokenizerDigest = wire.tokenizerDigest }
        guard wire.hasPooledOutput else { return }
        let size = try FieldChecks.integer(
            "pooled_output.vector_size", wire.pooledOutput.vectorSize, in: 0...WireLimits.vectorMax)
        pooledOutput = size == 0 ? .score : .vector(size: size)
    }

    var wire: WireDescription {
        var wire = WireDescription()
        wire.model = model
        wire.numericsID = numericsID
        wire.epoch = epoch
        wire.slotCount = UInt32(count: slotCount)
        wire.pageCount = UInt32(count: pageCount)
        wire.wholePageCount = UInt32(count: wholePageCount)
        wire.pageTokenCount = UInt32(count: pageTokenCount)
        wire.contextLength = UInt32(count: contextLength)
        wire.vocabularySize = UInt32(count: vocabularySize)
        wire.stepTokenBudget = UInt32(count: stepTokenBudget)
        if let signSeconds {
            wire.signIntervalMs = UInt32(
                count: Int(min(max(1, signSeconds * 1000), Double(WireLimits.signMillisecondsMax)).rounded()))
        }
        wire.tokenizerDigest = tokenizerDigest ?? 0
        switch pooledOutput {
        case nil: break
        case .score: wire.pooledOutput.vectorSize = 0
        case .vector(let size): wire.pooledOutput.vectorSize = UInt32(count: size)
        }
        return wire
    }
}

extension WorkerLoad {
    init(_ wire: WireLoad) throws(WireError) {
        self.init(
            freeSlots: try FieldChecks.integer("load.free_slots", wire.freeSlots, in: 0...WireLimits.slotsMax),
            freePages: try FieldChecks.integer("load.free_pages", wire.freePages, in: 0...WireLimits.pagesMax),
            runningSequences: try FieldChecks.integer(
                "load.running_sequences", wire.runningSequences, in: 0...WireLimits.slotsMax),
            waitingPrefillTokens: Int(wire.waitingPrefillTokens))
    }

    var wire: WireLoad {
        var wire = WireLoad()
        wire.freeSlots = UInt32(count: freeSlots)
        wire.freePages = UInt32(count: freePages)
        wire.runningSequences = UInt32(count: runningSequences)
        wire.waitingPrefillTokens = UInt32(count: waitingPrefillTokens)
        return wire
    }
}
