import Inference
import Scheduling

/// Who is admitted before whom. One that fits nowhere now may be passed by those behind it, but not for ever.
extension SimulatedCluster {
    /// How long others may pass a choice that waits: the scheduler keeps a worker for it after half a second, and that
    /// worker must then finish what it has.
    private static let passingSecondsMax = 30.0

    /// Looks at those of its tenant that came before the choice just admitted, are as urgent, would fit there, and wait.
    mutating func notePassing(by id: ChoiceID, on worker: WorkerID) {
        guard let passer = requests[id.request], let place = linksByWorker[worker] else { return }
        noteStarving(others: passer.router, on: place.machine)
        guard !passer.choices[id.index].hasRun else { return }
        let capacity = machines[place.machine].tokenShareMin
        for (other, request) in requests where other < id.request && request.router == passer.router {
            guard request.spec.priority >= passer.spec.priority, request.spec.tenant == passer.spec.tenant else {
                continue
            }
            for place in request.choices.indices {
                let choice = request.choices[place]
                guard choice.sequence == nil, !choice.isFinished, !choice.hasRun,
                    choice.prompt.count + request.spec.maxTokens <= capacity
                else { continue }
                let seconds = requests[other]?.choices[place].passedSince.seconds(until: now) ?? 0
                report.passedSecondsMax = max(report.passedSecondsMax, seconds)
                if seconds > Self.passingSecondsMax {
                    violate("\(ChoiceID(other, place)) has waited while others were admitted for \(seconds) s.")
                }
            }
        }
    }

    /// A router that has a share of a machine and uses nothing of it gets its turn, whatever the others have there.
    private mutating func noteStarving(others admitting: Int, on machine: Int) {
        routers[admitting].starvedSince = nil
        guard routers.count > 1 else { return }
        for router in routers.indices where router != admitting {
            let place = LinkPlace(machine: machine, router: router)
            let link = self[place]
            guard link.isServing, !link.isSuspect, !link.saysDraining, couldUse(place) else {
                continue
            }
            let seconds = routers[router].starvedSince.seconds(until: now)
            report.passedSecondsMax = max(report.passedSecondsMax, seconds)
            if seconds > Self.passingSecondsMax {
                violate("Router \(router) got nothing for \(seconds) s where others did, and had nothing there.")
            }
        }
    }

    /// Whether something of the router's waits that fits its share, and nothing of its own runs there.
    func couldUse(_ place: LinkPlace) -> Bool {
        let worker = self[place].workerID
        let capacity = machines[place.machine].tokenShareMin
        var isWanted = false
        for request in requests.values where request.router == place.router {
            for choice in request.choices where !choice.isFinished {
                if choice.worker == worker { return false }
                isWanted =
                    isWanted
                    || choice.sequence == nil && !choice.hasRun
                        && choice.prompt.count + request.spec.maxTokens <= capacity
            }
        }
        return isWanted
    }

    /// Workers went, stood still or became slow: what they were kept for begins anew.
    mutating func forgivePassing() {
        for router in routers.indices { routers[router].starvedSince = nil }
        for id in requests.keys {
            for place in requests[id]?.choices.indices ?? 0..<0 { requests[id]?.choices[place].passedSince = nil }
        }
    }
}

extension Instant? {
    /// Seconds since the first look; this is the first one where there was none.
    mutating func seconds(until now: Instant) -> Double {
        let since = self ?? now
        self = since
        return now.seconds(since: since)
    }
}
