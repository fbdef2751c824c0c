/// What a load run measured, as one line of JSON.
struct LoadSummary {
    /// What one request measured, in nanoseconds of a monotonic clock.
    struct Request {
        var sentAt: Int64
        /// When the first text arrived; nil when none did.
        var firstAt: Int64?
        /// Gaps between later pieces of text.
        var gaps: [Int64]
        var outputTokens: Int
        /// Digest of the text.
        var digest: UInt64
        var error: String?
    }

    var target: String
    var concurrency: Int
    var promptTokens: Int
    var outputTokens: Int
    var durationSeconds: Double
    var requests: [Request]

    var errors: [String] { requests.compactMap(\.error) }

    /// Of all answers in the order of requests: equal digests mean equal bytes.
    var digest: UInt64 {
        requests.reduce(into: Digest()) { $0.add($1.digest) }.value
    }

    var line: String {
        let tokens = requests.reduce(0) { $0 + $1.outputTokens }
        let first = requests.compactMap { request in request.firstAt.map { $0 - request.sentAt } }
        let gaps = requests.flatMap(\.gaps)
        let perSecond = durationSeconds > 0 ? Double(tokens) / durationSeconds : 0
        return """
            {"target":"\(target)","concurrency":\(concurrency),"requests":\(requests.count),\
            "errors":\(errors.count),"prompt_tokens":\(promptTokens),"output_tokens":\(outputTokens),\
            "duration_s":\(Self.number(durationSeconds)),"total_output_tokens":\(tokens),\
            "output_tokens_per_s":\(Self.number(perSecond)),"ttft_ms":\(Self.percentiles(first)),\
            "itl_ms":\(Self.percentiles(gaps)),"digest":"\(String(digest, radix: 16))"}
            """
    }

    /// p50, p90 and p99 by nearest rank, in milliseconds.
    static func percentiles(_ nanoseconds: [Int64]) -> String {
        let sorted = nanoseconds.sorted()
        func at(_ share: Double) -> String {
            guard !sorted.isEmpty else { return "null" }
            let rank = Int((share * Double(sorted.count)).rounded(.up)) - 1
            return number(Double(sorted[min(max(rank, 0), sorted.count - 1)]) / 1e6)
        }
        return #"{"p50":\#(at(0.5)),"p90":\#(at(0.9)),"p99":\#(at(0.99))}"#
    }

    /// Three decimals are enough for milliseconds and rates.
    private static func number(_ value: Double) -> String {
        String((value * 1000).rounded() / 1000)
    }
}

/// FNV-1a, 64 bits: tells texts apart, no more. Source: Fowler, Noll and Vo.
struct Digest {
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }
    mutating func add(_ word: UInt64) {
        for shift in stride(from: 0, to: 64, by: 8) { add(UInt8(truncatingIfNeeded: word >> UInt64(shift))) }
    }
}
