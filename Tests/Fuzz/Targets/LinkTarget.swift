import Inference
import Text
import WorkerProtocol

/// Messages between routers and workers: a byte that says which, and the message. What passes must be the same after it
/// was sent on.
enum LinkTarget {
    static func run(_ bytes: [UInt8]) -> String? {
        guard let first = bytes.first else { return nil }
        let message = Array(bytes.dropFirst())
        switch first % 4 {
        case 0: return fromRouter(message)
        case 1: return fromWorker(message)
        case 2: return description(message)
        default: return tokenizer(message)
        }
    }

    private static func fromRouter(_ bytes: [UInt8]) -> String? {
        guard let message = try? RouterMessage(bytes: bytes.span.bytes) else { return nil }
        let again = try? RouterMessage(bytes: message.bytes.span.bytes)
        return again == message ? nil : "\(message) arrives as \(String(describing: again))"
    }

    private static func fromWorker(_ bytes: [UInt8]) -> String? {
        guard case .event(let event)? = try? WorkerMessage(bytes: bytes.span.bytes) else { return nil }
        let sent = WorkerMessage.bytes(event, version: ProtocolVersion.supported.upperBound)
        let again = try? WorkerMessage(bytes: sent.span.bytes)
        return again == .event(event) ? nil : "\(event) arrives as \(String(describing: again))"
    }

    private static func description(_ bytes: [UInt8]) -> String? {
        guard let description = try? WorkerDescription(bytes: bytes.span.bytes) else { return nil }
        let again = try? WorkerDescription(bytes: description.bytes.span.bytes)
        return again == description ? nil : "\(description) arrives as \(String(describing: again))"
    }

    private static func tokenizer(_ bytes: [UInt8]) -> String? {
        var assembly = TokenizerTransfer.Assembly()
        guard (try? assembly.add(bytes: bytes.span.bytes)) != nil, let spec = try? assembly.finish(),
            let tokenizer = try? Tokenizer(spec)
        else { return nil }
        let tokens = tokenizer.encode("Hello, 世界 12 <s>", parsesSpecialTokens: true, addsBOS: true)
        guard tokens.allSatisfy({ spec.tokens.indices.contains(Int($0)) }) else {
            return "a token is not in its vocabulary"
        }
        _ = tokenizer.decode(tokens, skipsSpecialTokens: false)
        if let template = spec.chatTemplate { _ = try? ChatTemplate(source: template, bosToken: "", eosToken: "") }
        return nil
    }
}
