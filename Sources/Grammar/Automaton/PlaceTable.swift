/// The states of a ``Program``, found as they are needed and remembered: a state is the set of places the automaton may
/// be in, a place a node and a stack. Equal stacks and equal states have equal numbers, so that a state that has been
/// seen costs one look into a table per byte.
struct PlaceTable {
    /// What is to be done when a rule or the body of a loop ends.
    private struct Frame: Hashable {
        /// Where to go on; for a loop with counts, the loop.
        var node: Int32
        /// Times the body must and may still run; -1 for the return of a call.
        var least: Int32
        var most: Int32
        var parent: Int32
    }

    private struct Transition {
        var state: State
        /// Places looked at to find it.
        var work: UInt16 = 0
        /// The work that it was counted in last.
        var countedIn: UInt16 = 0
    }

    typealias State = Int32
    static let dead: State = -1
    private static let unknown: State = -2
    /// Stands in a state whose text may end here.
    private static let accepting = UInt64.max

    let program: Program
    private var frames: [Frame] = []
    private var frameNumbers: [Frame: Int32] = [:]
    /// The frame with counts as far as a token can see; -1 where not looked at.
    private var nearFrames: [Int32] = []
    private var states: [[UInt64]] = []
    private var stateNumbers: [[UInt64]: State] = [:]
    private var nearStates: [State] = []
    /// (states, classes)
    private var transitions: [Transition] = []
    private var placeCount = 0
    /// Places looked at since ``beginWork()``, those of each transition once: whether it was remembered does not matter,
    /// so that what is too much work is so whatever was asked before.
    private var work = 0
    private var workNumber: UInt16 = 0

    private var visited: Set<UInt64> = []
    private var waiting: [UInt64] = []

    init(_ program: Program) { self.program = program }

    var isFull: Bool { isFull(in: 1) }
    var isHalfFull: Bool { isFull(in: 2) }

    /// Whether it is more than one of so many parts of what may be remembered.
    private func isFull(in parts: Int) -> Bool {
        transitions.count > GrammarLimits.transitionMax / parts
            || placeCount > GrammarLimits.rememberedPlaceMax / parts || frames.count > GrammarLimits.frameMax / parts
    }

    mutating func beginWork() {
        work = 0
        workNumber &+= 1
        guard workNumber == 0 else { return }
        for place in transitions.indices { transitions[place].countedIn = 0 }
        workNumber = 1
    }

    mutating func start() throws(GrammarFailure) -> State {
        beginClosure()
        wait(program.start, 0)
        return number(try closure())
    }

    func accepts(_ state: State) -> Bool { states[Int(state)].last == Self.accepting }

    /// - Returns: ``dead`` where the byte may not follow.
    mutating func next(_ state: State, _ byte: UInt8) throws(GrammarFailure) -> State {
        let byteClass = program.classes[Int(byte)]
        let place = Int(state) * program.classCount + Int(byteClass)
        let known = transitions[place]
        if known.state != Self.unknown {
            guard known.countedIn != workNumber else { return known.state }
            transitions[place].countedIn = workNumber
            try spend(Int(known.work))
            return known.state
        }
        let workBefore = work
        // A place that is passed over costs an eighth of one that is found, about.
        try spend(states[Int(state)].count / 8)
        beginClosure()
        for item in states[Int(state)] where item != Self.accepting {
            guard case .bytes(let classes, let next) = program.nodes[Self.node(item)], classes.contains(byteClass)
            else { continue }
            wait(next, Self.stack(item))
        }
        let places = try closure()
        let found = places.isEmpty ? Self.dead : number(places)
        transitions[place] = Transition(
            state: found, work: UInt16(truncatingIfNeeded: work - workBefore), countedIn: workNumber)
        return found
    }

    private mutating func spend(_ count: Int) throws(GrammarFailure) {
        work += count
        guard work <= GrammarLimits.workMax else { throw .tooAmbiguous }
    }

    // MARK: - Closure

    private static func item(_ node: Int, _ stack: Int32) -> UInt64 {
        UInt64(node) << 32 | UInt64(UInt32(bitPattern: stack))
    }
    private static func node(_ item: UInt64) -> Int { Int(item >> 32) }
    private static func stack(_ item: UInt64) -> Int32 { Int32(truncatingIfNeeded: item) }

    private mutating func beginClosure() {
        visited.removeAll(keepingCapacity: true)
        waiting.removeAll(keepingCapacity: true)
    }

    /// - Parameter stack: 1 + the number of the top frame; 0 for none.
    private mutating func wait(_ node: Int32, _ stack: Int32) {
        waiting.append(Self.item(Int(node), stack))
    }

    /// All places reached without a byte from those that wait, in order.
    private mutating func closure() throws(GrammarFailure) -> [UInt64] {
        var places: [UInt64] = []
        while let item = waiting.popLast() {
            guard visited.insert(item).inserted else { continue }
            try spend(1)
            guard visited.count <= GrammarLimits.placeMax * 4 else { throw .tooAmbiguous }
            let stack = Self.stack(item)
            switch program.nodes[Self.node(item)] {
            case .bytes: places.append(item)
            case .split(let nodes): for node in nodes { wait(node, stack) }
            case .call(let start, let next): wait(start, push(next, stack))
            case .loop(_, let least, let most, _):
                decide(Int32(truncatingIfNeeded: Self.node(item)), least, most, stack)
            case .end:
                guard stack > 0 else {
                    places.append(Self.accepting)
                    continue
                }
                let frame = frames[Int(stack) - 1]
                if frame.least < 0 {
                    wait(frame.node, frame.parent)
                } else {
                    decide(frame.node, frame.least, frame.most, frame.parent)
                }
            }
        }
        guard places.count <= GrammarLimits.placeMax else { throw .tooAmbiguous }
        places.sort()
        return places
    }

    /// Runs the body of a loop once more, or leaves it, or both.
    private mutating func decide(_ loop: Int32, _ least: Int32, _ most: Int32, _ stack: Int32) {
        guard case .loop(let body, _, _, let next) = program.nodes[Int(loop)] else { return }
        if least <= 0 { wait(next, stack) }
        guard most > 0 else { return }
        if most == 1 {
            wait(body, push(next, stack))
        } else {
            let left = most == Program.unlimited ? most : most - 1
            wait(body, number(Frame(node: loop, least: max(least - 1, 0), most: left, parent: stack)))
        }
    }

    /// - Returns: the stack for a call that is followed by `next`. What is followed by nothing leaves no trace.
    private mutating func push(_ next: Int32, _ stack: Int32) -> Int32 {
        next == Program.endNode ? stack : number(Frame(node: next, least: -1, most: -1, parent: stack))
    }

    // MARK: - Numbers

    private mutating func number(_ frame: Frame) -> Int32 {
        if let known = frameNumbers[frame] { return known }
        frames.append(frame)
        nearFrames.append(-1)
        let number = Int32(truncatingIfNeeded: frames.count)
        frameNumbers[frame] = number
        return number
    }

    private mutating func number(_ places: [UInt64]) -> State {
        if let known = stateNumbers[places] { return known }
        let state = State(truncatingIfNeeded: states.count)
        states.append(places)
        stateNumbers[places] = state
        nearStates.append(Self.unknown)
        transitions.append(contentsOf: repeatElement(Transition(state: Self.unknown), count: program.classCount))
        placeCount += places.count
        return state
    }

    // MARK: - Another table's states

    /// - Parameter copies: stacks of the other table that were taken over before, and their numbers here.
    mutating func adopt(_ state: State, of other: PlaceTable, _ copies: inout [Int32: Int32]) -> State {
        var places = other.states[Int(state)]
        for index in places.indices where places[index] != Self.accepting {
            let stack = adopt(stack: Self.stack(places[index]), of: other, &copies)
            places[index] = Self.item(Self.node(places[index]), stack)
        }
        places.sort()
        return number(places)
    }

    private mutating func adopt(stack: Int32, of other: PlaceTable, _ copies: inout [Int32: Int32]) -> Int32 {
        var path: [Int32] = []
        var top = stack
        while top > 0, copies[top] == nil {
            path.append(top)
            top = other.frames[Int(top) - 1].parent
        }
        var copy = copies[top] ?? 0
        for original in path.reversed() {
            var frame = other.frames[Int(original) - 1]
            frame.parent = copy
            copy = number(frame)
            copies[original] = copy
        }
        return copy
    }

    // MARK: - Near states

    /// The state that allows the same next `sight` bytes, with counts that are far from their ends made equal: in the
    /// middle of a long string one mask serves all places.
    mutating func near(_ state: State, sight: Int32) -> State {
        if nearStates[Int(state)] != Self.unknown { return nearStates[Int(state)] }
        var places = states[Int(state)]
        for index in places.indices where places[index] != Self.accepting {
            let stack = near(frame: Self.stack(places[index]), sight)
            places[index] = Self.item(Self.node(places[index]), stack)
        }
        places = Array(Set(places)).sorted()
        let near = number(places)
        nearStates[Int(state)] = near
        nearStates[Int(near)] = near
        return near
    }

    private mutating func near(frame stack: Int32, _ sight: Int32) -> Int32 {
        var path: [Int32] = []
        var top = stack
        while top > 0, nearFrames[Int(top) - 1] < 0 {
            path.append(top)
            top = frames[Int(top) - 1].parent
        }
        var near = top > 0 ? nearFrames[Int(top) - 1] : 0
        for far in path.reversed() {
            var frame = frames[Int(far) - 1]
            frame.parent = near
            if frame.least >= 0 {
                frame.least = min(frame.least, sight)
                if frame.most >= sight { frame.most = Program.unlimited }
            }
            near = number(frame)
            nearFrames[Int(far) - 1] = near
        }
        return near
    }
}

/// Why an automaton cannot go on.
package enum GrammarFailure: Error, Equatable, Sendable {
    /// It would have to be in too many places at once.
    case tooAmbiguous
    /// No token of the vocabulary may follow, though the text is not complete.
    case noToken
    /// The tokens so far are none that the grammar allows.
    case notAllowed(position: Int)
}
