import CKernels

/// How KV pages hold keys and values.
package enum KVType: String, CaseIterable, Sendable {
    case f16
    /// Bytes with a scale for each token and kv head: half the memory, and half of what a step reads for long contexts.
    case q8

    var code: Int32 {
        switch self {
        case .f16: Int32(APUS_KV_F16.rawValue)
        case .q8: Int32(APUS_KV_Q8.rawValue)
        }
    }
}
