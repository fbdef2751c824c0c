import Glibc
import Models
import Synchronization

/// A model whose next token is the sum of the tokens so far, modulo its vocabulary. What it computes is a function of the
/// tokens alone; it keeps them by page, as a real one keeps K and V.
///
/// Its steps can be held up, to play a slow or a hung engine.
final class ScriptedRuntime: ModelRuntime {
    static let vocabularySize = 50

    let description: ModelDescription
    let pulse: Pulse?
    private let gate: Gate
    private var tokens: [Int]
    private var rows: UnsafeMutableBufferPointer<Float>

    init(gate: Gate, pageCount: Int = 64, pulse: Pulse? = nil) {
        self.gate = gate
        self.pulse = pulse
        description = ModelDescription(
            name: "scripted", architecture: "script", numericsID: "script-1", vocabularySize: Self.vocabularySize,
            contextLength: pageCount * 4, pageTokenCount: 4, pageCount: pageCount, stepTokenMax: 128)
        tokens = Array(repeating: 0, count: pageCount * 4)
        rows = .allocate(capacity: 128 * Self.vocabularySize)
        rows.initialize(repeating: 0)
    }

    deinit { rows.deallocate() }

    func execute(_ slices: [StepSlice]) -> UnsafeBufferPointer<Float> {
        gate.pass()
        var row = 0
        for slice in slices {
            for (offset, token) in slice.tokens.enumerated() {
                let position = slice.startPosition + offset
                tokens[Int(slice.pages[position / 4]) * 4 + position % 4] = Int(token)
            }
            let wanted: Int
            switch slice.logits {
            case .none: wanted = 0
            case .last: wanted = 1
            case .all: wanted = slice.tokens.count
            }
            for offset in slice.tokens.count - wanted..<slice.tokens.count {
                fill(row, slice, upTo: slice.startPosition + offset)
                row += 1
            }
        }
        return UnsafeBufferPointer(rebasing: rows[0..<row * Self.vocabularySize])
    }

    private func fill(_ row: Int, _ slice: StepSlice, upTo position: Int) {
        let sum = (0...position).reduce(0) { $0 + tokens[Int(slice.pages[$1 / 4]) * 4 + $1 % 4] }
        let next = Self.next(after: sum)
        for token in 0..<Self.vocabularySize { rows[row * Self.vocabularySize + token] = token == next ? 10 : 0 }
    }

    static func next(after sum: Int) -> Int { (sum + 1) % vocabularySize }

    /// What greedy decoding gives.
    static func continuation(of prompt: [Int32], count: Int) -> [Int32] {
        var tokens = prompt.map { Int($0) }
        for _ in 0..<count { tokens.append(next(after: tokens.reduce(0, +))) }
        return tokens.dropFirst(prompt.count).map { Int32($0) }
    }
}

/// Lets a runtime's steps pass, or holds them up.
// SENDABLE: all state is read and written under `mutex`.
final class Gate: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let change = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var isOpen = true
    private var permits = 0
    private var onHeld: (@Sendable () -> Void)?

    init() {
        mutex.initialize(to: pthread_mutex_t())
        change.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(change, nil)
    }

    deinit {
        pthread_cond_destroy(change)
        pthread_mutex_destroy(mutex)
        change.deallocate()
        mutex.deallocate()
    }

    func pass() {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !isOpen && permits == 0 {
            if let onHeld {
                self.onHeld = nil
                onHeld()
            }
            pthread_cond_wait(change, mutex)
        }
        if !isOpen { permits -= 1 }
    }

    /// - Parameter onHeld: called once, when a step stands before the closed gate.
    func close(onHeld: (@Sendable () -> Void)? = nil) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        isOpen = false
        permits = 0
        self.onHeld = onHeld
    }

    /// Lets so many more steps pass through the closed gate.
    func allow(steps: Int) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        permits += steps
        pthread_cond_broadcast(change)
    }

    func open() {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        isOpen = true
        pthread_cond_broadcast(change)
    }
}
