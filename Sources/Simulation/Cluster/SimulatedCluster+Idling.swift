import Inference
import Scheduling

/// Workers that have nothing to do beside requests that they could run: whatever a worker is kept for, somebody gets it.
extension SimulatedCluster {
    /// A worker that refused is left alone for a second at most.
    private static let idleSecondsMax = 3.0

    /// After each of the router's looks at the clock.
    mutating func checkIdle(by router: Int) {
        for place in links(from: router) {
            guard isIdle(place), couldUse(place) else {
                self[place].idleSince = nil
                continue
            }
            let seconds = self[place].idleSince.seconds(until: now)
            report.idleSecondsMax = max(report.idleSecondsMax, seconds)
            if seconds > Self.idleSecondsMax {
                violate(
                    "Machine \(place.machine) had nothing to do for \(seconds) s, and router \(router) let some wait.")
            }
        }
    }

    /// No router's sequence is there, and this router may send some.
    private func isIdle(_ place: LinkPlace) -> Bool {
        self[place].isServing && machines[place.machine].worker?.hasWork == false
            && routers[place.router].scheduler.workerState(self[place].workerID) == .ready
    }
}
