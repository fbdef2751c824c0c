import Foundation

/// The source tree and Package.swift, read as text.
struct House {
    struct File {
        var room: String
        /// Path below Sources/.
        var path: String
        var lines: [String]
    }

    struct Room {
        var name: String
        var dependencies: [String]
        /// Place in Package.swift: a room imports only rooms above it there.
        var floor: Int
        var isStrict: Bool
    }

    let rooms: [Room]
    let files: [File]

    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    init() throws {
        rooms = try Self.readRooms()
        files = try Self.readFiles()
    }

    /// Targets of Package.swift with the names in their `dependencies` that are targets too.
    private static func readRooms() throws -> [Room] {
        let text = try String(contentsOf: root.appending(path: "Package.swift"), encoding: .utf8)
        let starts = [".target(", ".executableTarget(", ".systemLibrary("]
        var declarations: [(name: String, body: String)] = []
        var rest = text[...]
        while let start = starts.compactMap({ rest.range(of: $0) }).min(by: { $0.lowerBound < $1.lowerBound }) {
            rest = rest[start.upperBound...]
            let end =
                (starts + [".testTarget("]).compactMap { rest.range(of: $0)?.lowerBound }.min() ?? rest.endIndex
            let body = String(rest[..<end])
            if let name = body.firstMatch(of: /name:\s*"(\w+)"/)?.1 { declarations.append((String(name), body)) }
        }
        let names = declarations.map(\.name)
        return declarations.enumerated().map { floor, declaration in
            let listed = declaration.body.firstMatch(of: /dependencies:\s*\[((?:[^\[\]]|\[[^\]]*\])*)\]/)?.1 ?? ""
            let dependencies = listed.matches(of: /"(\w+)"/).map { String($0.1) }
                .filter { names.contains($0) && $0 != declaration.name }
            return Room(
                name: declaration.name, dependencies: dependencies, floor: floor,
                isStrict: declaration.body.contains("swiftSettings: safe"))
        }
    }

    private static func readFiles() throws -> [File] {
        let sources = root.appending(path: "Sources")
        let everything = FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)
        var files: [File] = []
        while let url = everything?.nextObject() as? URL {
            guard ["swift", "c", "h", "inc"].contains(url.pathExtension) else { continue }
            let path = String(url.path.dropFirst(sources.path.count + 1))
            guard !path.contains("/Generated/") else { continue }
            let lines = try String(contentsOf: url, encoding: .utf8).components(separatedBy: "\n")
            files.append(File(room: String(path.prefix { $0 != "/" }), path: path, lines: lines))
        }
        return files
    }

    func room(_ name: String) -> Room? { rooms.first { $0.name == name } }

    /// Modules a file imports, with the line number.
    static func imports(of file: File) -> [(module: String, line: Int)] {
        guard file.path.hasSuffix(".swift") else { return [] }
        let words: Set = ["package", "public", "internal", "fileprivate", "private"]
        let kinds: Set = ["struct", "class", "func", "enum", "var", "let", "protocol", "typealias"]
        return file.lines.enumerated().compactMap { number, line in
            let left = line.split(separator: " ").drop { $0.hasPrefix("@") || words.contains(String($0)) }
            guard left.first == "import" else { return nil }
            guard let named = left.dropFirst().drop(while: { kinds.contains(String($0)) }).first else { return nil }
            return (String(named.prefix { $0 != "." }), number + 1)
        }
    }
}
