import Inference

/// How much of a choice's prompt a worker has already, or will have: pages of its cache, and those of siblings there.
extension ClusterScheduler {
    /// Hashes the prompt's pages, or takes them from a choice of the same prompt.
    mutating func buildChain(of id: ChoiceID, pageTokenCount: Int) {
        guard let choice = record(of: id), choice.outputCount == 0, choice.chain?.pageTokenCount != pageTokenCount,
            let request = requests[id.request], !request.spec.readsWhole
        else { return }
        let sibling = request.choices.first {
            $0.prompt == choice.prompt && $0.outputCount == 0 && $0.chain?.pageTokenCount == pageTokenCount
        }
        let chain =
            sibling?.chain
            ?? PrefixChain(
                request.tokens(ofPrompt: choice.prompt), pageTokenCount: pageTokenCount, salt: request.spec.salt)
        requests[id.request]?.choices[id.index].chain = chain
    }

    /// Hashes that may be looked up for a choice; none while its whole prompt must be computed.
    func prefixes(of id: ChoiceID) -> [UInt64] {
        guard let choice = record(of: id), let chain = choice.chain,
            choice.outputCount > 0 || requests[id.request]?.spec.usesPrefixCache == true
        else { return [] }
        // The last token is always computed: its logits are wanted.
        let usable = max(0, choice.tokenCount - 1) / chain.pageTokenCount
        return Array(chain.hashes.prefix(usable))
    }

    /// Tokens of full prompt pages that a sibling there has or will have.
    func sharedTokens(_ chain: [UInt64], of demand: Demand, on host: WorkerRecord) -> Int {
        let size = host.description.pageTokenCount
        return min(chain.count, demand.promptCount / size) * size
    }

    /// Workers that run another choice of the same prompt, and so will have it soon.
    func siblingHosts(of id: ChoiceID) -> [WorkerID] {
        guard let running = requests[id.request]?.runningCount, running > 0, let request = requests[id.request],
            let choice = record(of: id)
        else { return [] }
        var hosts: [WorkerID] = []
        for sibling in request.choices where sibling.prompt == choice.prompt {
            guard case .running(let sequence) = sibling.state, let worker = sequences[sequence.rawValue]?.worker,
                !hosts.contains(worker)
            else { continue }
            hosts.append(worker)
        }
        return hosts
    }
}
