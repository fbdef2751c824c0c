package import Inference

/// Runs forward passes over paged KV. Belongs to one thread, the engine's.
///
/// The engine decides what runs and which page holds what; the runtime computes. Batch invariance is its duty: a row of
/// logits depends on that row's tokens alone, bit for bit, whatever else is in the step and however it was cut.
package protocol ModelRuntime: AnyObject {
    var description: ModelDescription { get }
    /// Threads that compute a step, the caller's among them.
    var threadCount: Int { get }
    /// Beats many times in a step, on the caller's thread; nil where it does not.
    var pulse: Pulse? { get }

    /// Computes one step. Writes K and V of every token of `slices` into their pages, then fills `logits`.
    /// - Returns: (rows, rowWidth) row-major, one row for each position asked for, in order of slices and
    ///   positions. Owned by the runtime, valid until the next call.
    func execute(_ slices: [StepSlice]) -> UnsafeBufferPointer<Float>

    /// Computes one step, then has the rows of each slice read, by the threads that computed them.
    /// - Returns: the rows, valid until the next call.
    @discardableResult
    func execute(_ slices: [StepSlice], for reader: any RowReader) -> StepRows
}

/// Makes something of a step's rows.
package protocol RowReader: AnyObject {
    /// Reads what there is for one slice of the step. Comes once for each, on any thread of the step, while other threads
    /// read other slices.
    /// - Parameter thread: which one of the runtime's ``ModelRuntime/threadCount``.
    func read(slice: Int, of rows: StepRows, thread: Int)
}

extension ModelRuntime {
    package var threadCount: Int { 1 }
    package var pulse: Pulse? { nil }

    @discardableResult
    package func execute(_ slices: [StepSlice], for reader: any RowReader) -> StepRows {
        let rows = StepRows(
            execute(slices), rowCount: slices.reduce(0) { $0 + $1.rowCount }, width: description.rowWidth)
        for slice in slices.indices { reader.read(slice: slice, of: rows, thread: 0) }
        return rows
    }
}

/// What a loaded model needs and is.
package struct ModelDescription: Equatable, Sendable {
    package var name: String
    package var architecture: String
    package var numericsID: String
    package var vocabularySize: Int
    package var contextLength: Int
    /// Tokens a KV page holds.
    package var pageTokenCount: Int
    /// KV pages that exist; page 0...pageCount-1.
    package var pageCount: Int
    /// Tokens one step may hold at most.
    package var stepTokenMax: Int
    /// What a row is where texts are read as a whole: each slice is a whole text then, without pages. nil: logits.
    package var pooledOutput: PooledOutput?

    /// Numbers of a row that a step gives.
    package var rowWidth: Int { pooledOutput?.count ?? vocabularySize }

    package init(
        name: String, architecture: String, numericsID: String, vocabularySize: Int, contextLength: Int,
        pageTokenCount: Int, pageCount: Int, stepTokenMax: Int, pooledOutput: PooledOutput? = nil
    ) {
        self.name = name
        self.architecture = architecture
        self.numericsID = numericsID
        self.vocabularySize = vocabularySize
        self.contextLength = contextLength
        self.pageTokenCount = pageTokenCount
        self.pageCount = pageCount
        self.stepTokenMax = stepTokenMax
        self.pooledOutput = pooledOutput
    }
}

/// A sequence's part of one step: consecutive tokens of one sequence.
package struct StepSlice: Sendable {
    package enum Logits: Sendable {
        case none
        /// Of the last token only: what sampling needs.
        case last
        /// Of every token: prompt log-probabilities, verification of drafts.
        case all
    }

    package var tokens: [TokenID]
    /// Position of `tokens[0]` in its sequence.
    package var startPosition: Int
    /// Page table of the sequence from position 0: covers `startPosition + tokens.count` tokens.
    package var pages: [Int32]
    package var logits: Logits
    /// How a text is read as a whole; nil where the model generates.
    package var pooling: Pooling?

    /// Rows of logits that the runtime answers with.
    package var rowCount: Int {
        switch logits {
        case .none: 0
        case .last: 1
        case .all: tokens.count
        }
    }

    package init(
        tokens: [TokenID], startPosition: Int, pages: [Int32], logits: Logits, pooling: Pooling? = nil
    ) {
        self.tokens = tokens
        self.startPosition = startPosition
        self.pages = pages
        self.logits = logits
        self.pooling = pooling
    }
}
