import ArgumentParser
import Configuration
import Foundation
import HTTP

/// `apus key`: a new key for a caller, and what the operator's file says of it.
struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Make a key for a caller, and its entry in the file of --api-keys.")

    @Argument(help: "Who gets it: the tenant.") var name: String

    func run() throws {
        var random = SystemRandomNumberGenerator()
        let key = "apus-" + HexDigits.text((0..<32).map { _ in random.next() as UInt8 })
        let digest = HexDigits.text(SHA256Digest.of(Array(key.utf8)))
        FileHandle.standardError.write(Data("Give this to \(name); it is written nowhere: \(key)\n".utf8))
        print("  - name: \(Self.quoted(name))\n    sha256: \(digest)")
    }

    /// YAML's double quotes are those of JSON.
    private static func quoted(_ text: String) -> String {
        let data = try? JSONSerialization.data(
            withJSONObject: text, options: [.fragmentsAllowed, .withoutEscapingSlashes])
        return data.map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
    }
}
