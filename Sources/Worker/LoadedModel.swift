package import Models
package import Text

/// What loading a model file gives.
package struct LoadedModel {
    package var runtime: any ModelRuntime
    package var tokenizer: TokenizerSpec
    /// Whether what the runtime reads of the model's file is still what was loaded. May wait for the file system.
    package var isIntact: @Sendable () -> Bool

    package init(
        runtime: any ModelRuntime, tokenizer: TokenizerSpec, isIntact: @escaping @Sendable () -> Bool = { true }
    ) {
        self.runtime = runtime
        self.tokenizer = tokenizer
        self.isIntact = isIntact
    }
}

/// Why a worker does not serve. The description is a sentence for the operator.
package enum WorkerStartError: Error, CustomStringConvertible {
    case listening(String)
    case tls(String)
    /// The model's loader says why.
    case model(any Error)
    case engine(errorCode: Int32)
    /// A stop came first.
    case stopped

    package var description: String {
        switch self {
        case .listening(let reason), .tls(let reason): reason
        case .model(let error): String(describing: error)
        case .engine(let errorCode): "The system gave no thread for the engine (errno \(errorCode))."
        case .stopped: "The worker was stopped while it was loading its model."
        }
    }
}
