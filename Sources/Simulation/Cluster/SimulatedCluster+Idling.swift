import Inference
import Scheduling

/// Workers that have nothing to do beside requests that they could run: whatever a worker is kept for, somebody gets it.
extension SimulatedCluster {
    /// A worker that refused is left alone for a second at most.
    private static let idleSecondsMax = 3.0

    /// After each of the router's looks at the clock.
    mutating func checkIdle(by router: Int) {
        for place in links(from: router) {
            guard isIdle(place), isWanted(place) else {
                self[place].idleSince = nil
                continue
            }
            guard let since = self[place].idleSince else {
                self[place].idleSince = now
                continue
            }
            let seconds = now.seconds(since: since)
            report.idleSecondsMax = max(report.idleSecondsMax, seconds)
            if seconds > Self.idleSecondsMax {
                violate(
                    "Machine \(place.machine) had nothing to do for \(seconds) s, and router \(router) let some wait.")
            }
        }
    }

    /// Nothing runs there, nothing is on its way, and the router may use it.
    private func isIdle(_ place: LinkPlace) -> Bool {
        guard self[place].isServing, let worker = machines[place.machine].worker, !worker.hasWork else { return false }
        let id = self[place].workerID
        return routers[place.router].scheduler.workerState(id) == .ready
            && !requests.values.contains { $0.choices.contains { $0.worker == id } }
    }

    /// A choice of the router's waits that never ran and would fit, to its end.
    private func isWanted(_ place: LinkPlace) -> Bool {
        let machine = machines[place.machine]
        let capacity = min(machine.tokenShareMin, machine.description.contextLength)
        return requests.values.contains { request in
            request.router == place.router
                && request.choices.contains { choice in
                    choice.sequence == nil && !choice.isFinished && !choice.hasRun
                        && choice.prompt.count + request.spec.maxTokens <= capacity
                }
        }
    }
}
