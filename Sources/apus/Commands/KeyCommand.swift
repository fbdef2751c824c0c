import ArgumentParser
import Foundation
import HTTP

/// `apus key`: a new key for a caller, and what the operator's file says of it.
struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Make a key for a caller, and its entry in the file of --api-keys.")

    @Argument(help: "Who gets it: the tenant.") var name: String

    func run() throws {
        var random = SystemRandomNumberGenerator()
        let words = (0..<4).map { _ in random.next() as UInt64 }
        let key = "apus-" + words.map { Self.hexadecimal($0) }.joined()
        let digest = SHA256Digest.of(Array(key.utf8)).map { Self.hexadecimal(UInt64($0), digits: 2) }.joined()
        FileHandle.standardError.write(Data("Give this to \(name); it is written nowhere: \(key)\n".utf8))
        print("  - name: \(Self.quoted(name))\n    sha256: \(digest)")
    }

    /// YAML's double quotes are those of JSON.
    private static func quoted(_ text: String) -> String {
        let data = try? JSONSerialization.data(
            withJSONObject: text, options: [.fragmentsAllowed, .withoutEscapingSlashes])
        return data.map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
    }

    private static func hexadecimal(_ number: UInt64, digits: Int = 16) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
