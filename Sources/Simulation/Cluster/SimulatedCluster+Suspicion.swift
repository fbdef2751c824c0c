import Inference
import Scheduling

/// What may be thought of workers: one that hangs is noticed, and only one that may be silent is suspected.
extension SimulatedCluster {
    /// An engine that hangs with sequences of a router gets nothing new from it after so long.
    private static let noticeSecondsMax = 1.0
    /// What was wrong with a machine may be noticed so long after it has ended: a router's patience, the way of the
    /// last sign, and two looks at the clock.
    private static let aftermathSeconds = 0.75

    /// After each of the router's looks at the clock.
    mutating func checkHung(by router: Int) {
        for place in links(from: router) {
            let machine = machines[place.machine]
            guard let hungSince = machine.hungSince, machine.isHung(at: now), machine.description.signSeconds != nil,
                self[place].isServing, let served = self[place].servingSince,
                let busySince = earliestAdmission(to: self[place].workerID)
            else { continue }
            let state = routers[router].scheduler.workerState(self[place].workerID)
            guard state == .ready || state == .slow else { continue }
            let seconds = now.seconds(since: max(hungSince, served, busySince))
            report.noticeSecondsMax = max(report.noticeSecondsMax, seconds)
            if seconds > Self.noticeSecondsMax {
                violate("Machine \(place.machine) has hung for \(seconds) s and is \(state) to router \(router).")
            }
        }
    }

    private func earliestAdmission(to worker: WorkerID) -> Instant? {
        var earliest: Instant?
        for request in requests.values {
            for choice in request.choices where choice.worker == worker {
                earliest = [earliest, choice.admittedAt].compactMap(\.self).min()
            }
        }
        return earliest
    }

    /// A machine that tells of its steps is never suspected for how long they take. Of those that give equal bits, half
    /// at most are set aside for their pace.
    mutating func checkSuspicion(at place: LinkPlace) {
        let machine = machines[place.machine]
        let scheduler = routers[place.router].scheduler
        switch scheduler.workerState(self[place].workerID) {
        case .suspect:
            guard machine.description.signSeconds != nil else { return }
            let isExcused = machine.troubledUntil.map { now.seconds(since: $0) <= Self.aftermathSeconds } ?? false
            if !isExcused { violate("Machine \(place.machine) was suspected, and nothing was wrong with it.") }
        case .slow:
            let states = links(from: place.router).filter { other in
                self[other].isServing
                    && machines[other.machine].description.numericsID == machine.description.numericsID
            }.map { scheduler.workerState(self[$0].workerID) }
            let slow = states.count { $0 == .slow }
            if slow > (slow + states.count { $0 == .ready }) / 2 {
                violate("\(slow) of \(states.count) machines were set aside for their pace.")
            }
        case .connecting, .ready, .draining, .gone: break
        }
    }
}
