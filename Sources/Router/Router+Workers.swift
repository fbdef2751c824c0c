package import Inference
import Logging
import Scheduling
import Serving
import Telemetry
package import Text

/// Workers that come, speak and go.
extension Router: WorkerDiscoveryObserver {
    package func workerAppeared(at address: WorkerAddress, in discovery: any WorkerDiscovery) {
        if let known = peers[address] {
            known.discoveries.insert(ObjectIdentifier(discovery))
            return
        }
        let peer = WorkerPeer(address, makeLink(address), id: nextWorkerID())
        peer.discoveries = [ObjectIdentifier(discovery)]
        peers[address] = peer
        peersByLink[ObjectIdentifier(peer.link)] = peer
        peersByID[peer.id] = peer
        scheduler.workerDialled(peer.id)
        peer.link.delegate = self
        peer.link.open()
    }

    package func workerVanished(at address: WorkerAddress, in discovery: any WorkerDiscovery) {
        guard let peer = peers[address] else { return }
        peer.discoveries.remove(ObjectIdentifier(discovery))
        if case .dialling = peer.state, !peer.isExpected { forget(peer) }
    }

    package func workerLeaving(at address: WorkerAddress, in discovery: any WorkerDiscovery) {
        guard let peer = peers[address] else { return }
        peer.discoveries.remove(ObjectIdentifier(discovery))
        switch peer.state {
        case .dialling: if !peer.isExpected { forget(peer) }
        case .idle: break
        case .serving:
            logger.info("worker leaving", metadata: ["worker": "\(peer.id)", "address": "\(address)"])
            perform(scheduler.workerDraining(peer.id, now: surroundings.now()))
        }
        tell()
    }

    package func workerDied(at address: WorkerAddress, in discovery: any WorkerDiscovery) {
        guard let peer = peers[address] else { return }
        logger.info("worker ended", metadata: ["worker": "\(peer.id)", "address": "\(address)"])
        peer.discoveries.remove(ObjectIdentifier(discovery))
        // Its link breaks by itself, and is dialled again for the others.
        guard !peer.isExpected else { return }
        forget(peer)
        tell()
    }

    private func nextWorkerID() -> WorkerID {
        lastWorkerID += 1
        return WorkerID(lastWorkerID)
    }

    private func forget(_ peer: WorkerPeer, silentSeconds: Double = 0) {
        peer.link.close()
        peers[peer.address] = nil
        peersByLink[ObjectIdentifier(peer.link)] = nil
        lose(peer, silentSeconds: silentSeconds)
    }

    /// A worker that dies was heard of before, if only by the answer to a ping.
    private static let silentLossSeconds = 0.4

    /// What the peer had goes on elsewhere.
    private func lose(_ peer: WorkerPeer, silentSeconds: Double = 0) {
        peersByID[peer.id] = nil
        let before = peer.state
        peer.state = .dialling
        if case .serving(let description, _) = before { updateCatalogue(description.model) }
        peer.series?.remove()
        peer.series = nil
        let now = surroundings.now()
        perform(scheduler.workerLost(peer.id, isSilent: silentSeconds > Self.silentLossSeconds, now: now))
        if case .serving(let description, _) = before, !scheduler.hasWorkers(of: description.model) {
            workersGoneAt[description.model] = now
        }
        employIdle(now)
    }

    /// Lets the scheduler have workers that were set aside, once no other serves their model and nothing goes by what was
    /// listed before. Requests that do wait for a worker of their kind to come back, but not for ever: then the name is
    /// of those who are there.
    func employIdle(_ now: Instant) {
        guard hasIdlePeers else { return listedAnew.removeAll() }
        hasIdlePeers = false
        for peer in peersByID.values.sorted(by: { $0.id < $1.id }) {
            guard case .idle(let description, let tokenizer) = peer.state else { continue }
            let model = description.model
            // Whole tokenizers are compared: not again before there is another to compare with.
            let agrees = listedAnew.contains(model) && catalogue.agrees(description, tokenizer)
            if !agrees, isInUse(model) {
                let isGone = workersGoneAt[model].map { now.seconds(since: $0) >= options.listingPatienceSeconds }
                guard !scheduler.hasWorkers(of: model), isGone ?? true else {
                    hasIdlePeers = true
                    continue
                }
                let why = "Model \"\(model)\" is served with another tokenizer now: ask again."
                for id in requests.keys.sorted() where requests[id]?.model.name == model {
                    perform(scheduler.requestCancelled(id, now: now))
                    fail(id, .unavailable(why))
                }
            }
            employ(peer, description, tokenizer)
        }
        listedAnew.removeAll()
    }
}

extension Router: WorkerLinkDelegate {
    package func linkWelcomed(_ link: any WorkerLink, _ description: WorkerDescription, _ tokenizer: Tokenizer) {
        guard let peer = peersByLink[ObjectIdentifier(link)] else { return }
        logger.info(
            "worker linked",
            metadata: [
                "worker": "\(peer.id)", "address": "\(link.address)", "model": "\(description.model)",
                "numerics": "\(description.numericsID)", "slots": "\(description.slotCount)",
                "pages": "\(description.pageCount)",
            ])
        employ(peer, description, tokenizer)
        tell()
    }

    /// Lets the scheduler have the worker, unless clients' tokens would mean something else there.
    private func employ(_ peer: WorkerPeer, _ description: WorkerDescription, _ tokenizer: Tokenizer) {
        if !catalogue.agrees(description, tokenizer), isInUse(description.model) {
            logger.warning(
                "worker unused: its tokenizer is not that of the model served under this name",
                metadata: ["worker": "\(peer.id)", "address": "\(peer.link.address)", "model": "\(description.model)"])
            peer.state = .idle(description, tokenizer)
            hasIdlePeers = true
            return
        }
        workersGoneAt[description.model] = nil
        if !scheduler.hasWorkers(of: description.model), !catalogue.tells(description, tokenizer) {
            catalogue.list(description, tokenizer, created: surroundings.unixSeconds(), logger: logger)
            listedAnew.insert(description.model)
        } else if !catalogue.hasTemplate(of: tokenizer, description.model) {
            logger.warning(
                "worker's chat template unused: the one listed counts while a worker that has it is there",
                metadata: ["worker": "\(peer.id)", "address": "\(peer.link.address)", "model": "\(description.model)"])
        }
        peer.state = .serving(description, tokenizer)
        updateCatalogue(description.model)
        peer.series = metrics.worker(at: peer.address, model: description.model, now: surroundings.now())
        perform(scheduler.workerWelcomed(peer.id, description, now: surroundings.now()))
    }

    /// Lists a model with what its workers of now have in common, and with the chat template of the newest where none has
    /// the one that is listed.
    private func updateCatalogue(_ model: String) {
        var numericsIDs: Set<String> = []
        var contextLength = 0
        var hasTemplate = false
        var newest: (peer: WorkerPeer, tokenizer: Tokenizer)?
        for peer in peersByID.values {
            guard case .serving(let description, let tokenizer) = peer.state, description.model == model else {
                continue
            }
            numericsIDs.insert(description.numericsID)
            contextLength = max(contextLength, description.contextLength)
            hasTemplate = hasTemplate || catalogue.hasTemplate(of: tokenizer, model)
            if newest.map({ $0.peer.id < peer.id }) ?? true { newest = (peer, tokenizer) }
        }
        catalogue.serve(model, numericsIDs: numericsIDs, contextLength: contextLength)
        guard let newest, !hasTemplate else { return }
        logger.info(
            "chat template changed: no worker has the one listed before",
            metadata: ["worker": "\(newest.peer.id)", "address": "\(newest.peer.link.address)", "model": "\(model)"])
        catalogue.takeTemplate(of: newest.tokenizer, model, logger: logger)
    }

    /// Whether any worker or request still goes by the model listed under a name.
    private func isInUse(_ model: String) -> Bool {
        scheduler.hasWorkers(of: model) || requests.values.contains { $0.model.name == model }
    }

    package func linkReceived(_ link: any WorkerLink, _ event: WorkerEvent) {
        guard let peer = peersByLink[ObjectIdentifier(link)], case .serving = peer.state else { return }
        let (id, now) = (peer.id, surroundings.now())
        switch event {
        case .welcome: break
        case .step(let report):
            peer.series?.stepped(report)
            workerReported(id, report)
        case .credit(let slotCount, let pageCount, let load, let commandsSeen):
            perform(
                scheduler.workerCredit(
                    id, slotCount: slotCount, pageCount: pageCount, load: load, commandsSeen: commandsSeen, now: now))
        case .prefix(let added, let removed, let isSnapshot):
            scheduler.workerPrefixChanged(id, added: added, removed: removed, isSnapshot: isSnapshot)
        case .preempted(let sequence): perform(scheduler.sequencePreempted(sequence, by: id, now: now))
        case .refused(let sequence): perform(scheduler.sequenceRefused(sequence, by: id, now: now))
        case .draining:
            logger.info("worker draining", metadata: ["worker": "\(id)", "address": "\(link.address)"])
            perform(scheduler.workerDraining(id, now: now))
        case .working: perform(scheduler.workerWorks(id, now: now))
        case .taken(let commands): scheduler.workerTook(id, commands: commands)
        }
        tell()
    }

    package func linkLost(_ link: any WorkerLink, _ reason: String, silentSeconds: Double) {
        guard let peer = peersByLink[ObjectIdentifier(link)] else { return }
        logger.warning(
            "worker lost",
            metadata: [
                "worker": "\(peer.id)", "address": "\(link.address)", "why": "\(reason)",
                "silent_ms": "\(Int64((silentSeconds * 1000).rounded()))",
            ])
        metrics.lossSilence.observe(silentSeconds)
        guard peer.isExpected else {
            forget(peer, silentSeconds: silentSeconds)
            tell()
            return
        }
        lose(peer, silentSeconds: silentSeconds)
        peer.id = nextWorkerID()
        peersByID[peer.id] = peer
        scheduler.workerDialled(peer.id)
        tell()
    }

    package func linkNotOpened(_ link: any WorkerLink, _ reason: String) {
        guard let peer = peersByLink[ObjectIdentifier(link)] else { return }
        logger.debug("worker not reached", metadata: ["address": "\(link.address)", "why": "\(reason)"])
        if !peer.isExpected { forget(peer) }
    }
}
