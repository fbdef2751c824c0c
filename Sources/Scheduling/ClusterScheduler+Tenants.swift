import Inference

/// Room in the queue, and what tenants are charged for: prompts when they are admitted for the first time, output as
/// it comes. What a move costs is nobody's.
extension ClusterScheduler {
    var queueLimit: QueueLoad {
        QueueLoad(requests: limits.queueRequestsMax, tokens: limits.queueTokensMax, bytes: limits.queueBytesMax)
    }

    /// - Returns: why a request may not wait; nil when it may. One that finds the queue empty may always.
    mutating func queueRefusal(
        of new: QueueLoad, from tenant: TenantID, _ model: ModelID, now: Instant
    ) -> ServeError? {
        guard queue.requests > 0 else { return nil }
        if let measure = queue.overfull(with: new, limit: queueLimit) {
            return .queueFull(
                limit: queueLimit[measure], of: measure,
                retryAfterSeconds: drainRate.secondsToDrain(Double(queue[measure]), measure, at: now))
        }
        return modelShareRefusal(of: new, model, now: now) ?? tenantShareRefusal(of: new, from: tenant, now: now)
    }

    private mutating func modelShareRefusal(of new: QueueLoad, _ model: ModelID, now: Instant) -> ServeError? {
        let share = queueLimit.share(limits.modelQueueShare)
        guard let (held, slotCount) = models.with(model, { ($0.waiting, $0.slotCount) }), held.requests > 0,
            let measure = held.overfull(with: new, limit: share), models.hasWorkers(besides: model)
        else { return nil }
        // What leaves the queue is told apart by models only where one has no workers: then it is not of this one.
        return .queueFull(
            limit: share[measure], of: measure, share: .model,
            retryAfterSeconds: slotCount > 0
                ? drainRate.secondsToDrain(Double(held[measure]), measure, at: now) : DrainRate.unknownSeconds)
    }

    private mutating func tenantShareRefusal(
        of new: QueueLoad, from tenant: TenantID, now: Instant
    ) -> ServeError? {
        let share = queueLimit.share(limits.tenantQueueShare)
        guard tenants.count > 1, let held = tenants[tenant]?.waiting, held.requests > 0,
            let measure = held.overfull(with: new, limit: share)
        else { return nil }
        // It gets one turn in as many as there are tenants in the queue.
        let amount = Double(held[measure]) * Double(max(1, tenants.waitingTenantCount))
        return .queueFull(
            limit: share[measure], of: measure, share: .tenant,
            retryAfterSeconds: drainRate.secondsToDrain(amount, measure, at: now))
    }

    /// Bounds the wait of a new request, as far as it can be foreseen: a queue that moves slowly holds less.
    ///
    /// Before it go all that wait, or, of several tenants, as many as get a turn until it is its tenant's again. As many
    /// as the workers have slots may wait whatever their speed: what runs may be about to end. Where there are no
    /// workers, they may be about to come.
    mutating func waitRefusal(from tenant: TenantID, _ model: ModelID, now: Instant) -> ServeError? {
        guard let waiting = models.with(model, { $0.waitingCount }), waiting > 0 else { return nil }
        let own = tenants[tenant]?.waiting.requests ?? 0
        let ahead = min(waiting, own * max(1, tenants.waitingTenantCount))
        guard let rate = models[model]?.speed.perSecond(at: now), ahead > 0,
            let slotCount = models[model]?.slotCount, slotCount > 0,
            Double(ahead) > limits.queueWaitSecondsMax * rate, ahead >= slotCount
        else { return nil }
        let wait = Double(ahead) / rate
        return .queueSlow(
            expectedSeconds: wait, limitSeconds: limits.queueWaitSecondsMax,
            retryAfterSeconds: Int(min(60, max(1, wait.rounded(.up)))))
    }

    /// Finds the tenant of a request, and forgets others that have been gone for long.
    mutating func tenant(of spec: RequestSpec, now: Instant) -> TenantID {
        let weight = limits.tenantWeights[spec.tenant].flatMap { $0 > 0 ? $0 : nil } ?? 1
        let id = tenants.seen(spec.tenant, weight: weight, now: now)
        let oldest = now.advanced(bySeconds: -limits.tenantMemorySeconds)
        for gone in tenants.forgetIdle(before: oldest, max: max(1, limits.tenantsMax), except: id) {
            for model in models.inOrder { models[model]?.line.forget(gone) }
        }
        return id
    }

    mutating func chargePrompt(_ count: Int, cached: Int, to tenant: TenantID, _ model: ModelID) {
        models.with(model) { $0.line.turn(of: tenant) }
        let found = min(count, cached)
        charge(Double(count - found) + limits.cachedTokenWeight * Double(found), to: tenant, model)
    }

    /// The worker found less in its cache than was expected when the prompt was charged.
    mutating func correctPrompt(_ sequence: SequenceID, cached: Int) {
        let running = sequences.with(sequence.rawValue) { ($0.cachedTokenCount, $0.tenant, $0.model) }
        guard case (let expected, let tenant?, let model)? = running, cached < expected else { return }
        let missing = Double(expected - max(0, cached))
        charge(missing * (1 - limits.cachedTokenWeight), to: tenant, model)
    }

    /// Charges for the tokens that a sequence has made since it was last charged for.
    mutating func chargeOutput(_ sequence: SequenceID) {
        guard let (count, tenant, model) = sequences.with(sequence.rawValue, { $0.takeUncharged() }) ?? nil else {
            return
        }
        charge(limits.outputTokenWeight * Double(count), to: tenant, model)
    }

    private mutating func charge(_ tokens: Double, to tenant: TenantID, _ model: ModelID) {
        let share = tokens / (tenants[tenant]?.weight ?? 1)
        models.with(model) { $0.line.charge(tenant, share) }
    }
}
