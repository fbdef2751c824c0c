/// What a message may hold at most. Whatever is longer comes from no peer in order.
package enum WireLimits {
    /// One message of the link. A prompt of a million tokens takes 3 MB, a step of 8192 prompt positions with 20
    /// alternatives each 2 MB, a snapshot of a million cached pages 8 MB.
    package static let messageByteMax = 16 << 20
    /// Names of models and routers, numerics ids.
    package static let nameByteMax = 256
    /// Alternatives per reported token; the API allows fewer.
    package static let alternativesMax = 1024
    /// The source of a constraint on output; no grammar that compiles is longer.
    package static let constraintByteMax = 64 << 10
    /// The largest context, vocabulary, page or budget that is believed.
    package static let tokensMax = 1 << 27
    /// Numbers of a text's vector.
    package static let vectorMax = 1 << 16
    /// Between two signs of life. Who says them more rarely says none that are of use.
    package static let signMillisecondsMax = 60_000
    package static let slotsMax = 1 << 20
    package static let pagesMax = Int(Int32.max)
    /// Data of one piece of a tokenizer; with the rest of its message it stays below 1 MiB.
    package static let chunkDataMax = (1 << 20) - 64
    /// A whole tokenizer. The largest in use (256 Ki tokens and merges) have 10 MB.
    package static let tokenizerByteMax = 256 << 20
}
