import Glibc

/// Messages to a thread that looks for them at its own pace and takes all there are.
///
/// Any thread puts, one takes. The lock is held for an append or a swap, never while anyone computes; the taker
/// sleeps only when it asks to, and is woken only when it sleeps.
// SENDABLE: all state is read and written under `mutex`.
final class Mailbox<Message: Sendable>: @unchecked Sendable {
    // SAFETY: allocated and initialized once in `init`, freed in `deinit`, when no one can wait any more.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let arrival: UnsafeMutablePointer<pthread_cond_t>
    private let capacity: Int
    private var messages: [Message] = []
    private var isClosed = false
    private var isTakerWaiting = false

    init(capacity: Int) {
        self.capacity = capacity
        mutex = .allocate(capacity: 1)
        arrival = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        arrival.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(arrival, nil)
    }

    deinit {
        pthread_cond_destroy(arrival)
        pthread_mutex_destroy(mutex)
        arrival.deallocate()
        mutex.deallocate()
    }

    /// - Parameter isUrgent: whether it is put into a full box, too.
    /// - Returns: false, and nothing is put, when the box is full or closed.
    @discardableResult
    func put(_ message: Message, isUrgent: Bool = false) -> Bool {
        pthread_mutex_lock(mutex)
        guard !isClosed && (isUrgent || messages.count < capacity) else {
            pthread_mutex_unlock(mutex)
            return false
        }
        messages.append(message)
        let wakes = isTakerWaiting
        isTakerWaiting = false
        pthread_mutex_unlock(mutex)
        // Without the lock: a taker that runs at once would find it held, and sleep again.
        if wakes { pthread_cond_signal(arrival) }
        return true
    }

    /// All messages in order; none is left.
    /// - Parameter waits: whether to sleep until there is one.
    /// - Returns: nil once the box is closed, whatever it still held.
    func take(waits: Bool) -> [Message]? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while waits && messages.isEmpty && !isClosed {
            isTakerWaiting = true
            pthread_cond_wait(arrival, mutex)
            isTakerWaiting = false
        }
        guard !isClosed else { return nil }
        var taken: [Message] = []
        swap(&taken, &messages)
        return taken
    }

    func close() {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        isClosed = true
        messages = []
        pthread_cond_signal(arrival)
    }
}
