import Inference
import Scheduling

/// Who is admitted before whom. One that fits nowhere now may be passed by those behind it, but not for ever.
extension SimulatedCluster {
    /// How long others may pass a choice that waits: the scheduler keeps a worker for it after half a second, and that
    /// worker must then finish what it has.
    private static let passingSecondsMax = 30.0

    /// Looks at those of its tenant that came before the choice just admitted, are as urgent, would fit there, and wait.
    mutating func notePassing(by id: ChoiceID, on worker: WorkerID) {
        guard let passer = requests[id.request], !passer.choices[id.index].hasRun,
            let index = machinesByWorker[worker]
        else { return }
        let description = machines[index].description
        for (other, request) in requests where other < id.request {
            guard request.spec.priority >= passer.spec.priority, request.spec.tenant == passer.spec.tenant else {
                continue
            }
            for place in request.choices.indices {
                let choice = request.choices[place]
                guard choice.sequence == nil, !choice.isFinished, !choice.hasRun,
                    choice.prompt.count + request.spec.maxTokens <= description.pageCount * description.pageTokenCount
                else { continue }
                guard let since = choice.passedSince else {
                    requests[other]?.choices[place].passedSince = now
                    continue
                }
                let seconds = now.seconds(since: since)
                report.passedSecondsMax = max(report.passedSecondsMax, seconds)
                if seconds > Self.passingSecondsMax {
                    violate("\(ChoiceID(other, place)) has waited while others were admitted for \(seconds) s.")
                }
            }
        }
    }

    /// Workers went, stood still or became slow: what they were kept for begins anew.
    mutating func forgivePassing() {
        for id in requests.keys {
            for place in requests[id]?.choices.indices ?? 0..<0 { requests[id]?.choices[place].passedSince = nil }
        }
    }
}
