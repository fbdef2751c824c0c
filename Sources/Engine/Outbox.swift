import Inference

/// Events for routers, gathered until a step ends.
struct Outbox {
    private var events: [RoutedEvent] = []
    /// What was given out last, whose memory will be used again.
    private var given: [RoutedEvent] = []

    mutating func append(_ event: WorkerEvent, to router: Int) { events.append((router, event)) }

    mutating func removeAll(of router: Int) { events.removeAll { $0.router == router } }

    /// Lets go of what was given out last, and of all that is in it.
    mutating func reclaim() { given.removeAll(keepingCapacity: true) }

    /// All events since the last call, in order.
    mutating func take() -> [RoutedEvent] {
        swap(&events, &given)
        return given
    }
}
