import Inference

/// How much of a choice's prompt a worker has already, or will have: pages of its cache, and those of siblings there.
extension ClusterScheduler {
    /// Tokens of full prompt pages that a sibling there has or will have.
    func sharedTokens(_ chain: [UInt64], of demand: Demand, on host: WorkerRecord) -> Int {
        let size = host.description.pageTokenCount
        return min(chain.count, demand.promptCount / size) * size
    }

    /// Workers that run another choice of the same prompt, and so will have it soon.
    mutating func siblingHosts(of id: ChoiceID) -> [WorkerID] {
        guard requests.with(id.request, { $0.runningCount > 0 }) == true, let request = requests[id.request],
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
