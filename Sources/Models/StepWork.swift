import Kernels

/// A step as the threads of the team find it: the pass, then what is made of its rows. Made once for all steps.
final class StepWork: TeamWork {
    let step: ForwardStep
    private let board: StageBoard
    private let vocabularySize: Int
    var pulse: Pulse { board.pulse }
    // SAFETY: all three are written while no helper works, and stand for the time of one run.
    private var rows: StepInput.Pointers?
    private var reader: (any RowReader)?
    private var sliceCount = 0

    init(_ step: ForwardStep, _ board: StageBoard, vocabularySize: Int) {
        self.step = step
        self.board = board
        self.vocabularySize = vocabularySize
    }

    /// One step, on all threads of `team`.
    func run(_ rows: StepInput.Pointers, on team: ThreadTeam, sliceCount: Int, for reader: (any RowReader)?) {
        (self.rows, self.reader, self.sliceCount) = (rows, reader, sliceCount)
        board.reset()
        team.run(self)
        (self.rows, self.reader) = (nil, nil)
    }

    func work(as member: ThreadTeam.Member) {
        guard let rows else { return }
        var place = step.run(rows, index: member.index, board.place(member.index))
        guard let reader else { return }
        let logits = logits(count: rows.logitRows.count)
        place.divide(sliceCount) { part in
            for slice in part { reader.read(slice: slice, of: logits, thread: member.index) }
        }
    }

    /// - Parameter count: rows asked for.
    func logits(count: Int) -> StepRows {
        StepRows(
            UnsafeBufferPointer(start: step.logits, count: count * step.logitStride), rowCount: count,
            width: vocabularySize, stride: step.logitStride)
    }
}
