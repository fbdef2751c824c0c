import Foundation
import Testing

/// Taste as a test. Each table of exceptions carries its reasons.
@Suite struct HouseRulesTests {
    let house: House

    init() throws {
        house = try House()
    }

    @Test func `the house has its rooms and its files`() {
        #expect(house.rooms.count >= 15)
        #expect(house.files.count >= 50)
    }

    @Test func `a room imports only rooms that Package.swift names for it, and all of those`() {
        let names = Set(house.rooms.map(\.name))
        for room in house.rooms {
            let imported = Set(
                house.files.filter { $0.room == room.name }.flatMap { House.imports(of: $0).map(\.module) })
            guard !imported.isEmpty else { continue }
            let undeclared = imported.intersection(names).subtracting(room.dependencies).subtracting([room.name])
            #expect(undeclared.isEmpty, "\(room.name) imports \(undeclared) sideways")
            let unused = Set(room.dependencies).subtracting(imported)
            #expect(unused.isEmpty, "\(room.name) names \(unused) in Package.swift and does not import it")
        }
    }

    @Test func `imports go down the stairs`() {
        for room in house.rooms {
            for dependency in room.dependencies {
                let floor = house.room(dependency)?.floor ?? .max
                #expect(floor < room.floor, "\(room.name) looks up at \(dependency)")
            }
        }
    }

    static let pureRooms: Set = ["Inference", "JSON", "Text", "Grammar", "Scheduling", "Simulation", "Serving"]
    static let pureImports: Set = [
        "Inference", "JSON", "Text", "Scheduling", "OrderedCollections", "DequeModule", "HeapModule", "Swift",
    ]

    /// Caches that several threads fill: what comes out is the same without them.
    static let pureExceptions = [
        "Text/WordCache.swift": "Synchronization", "Text/Templates/LayoutCache.swift": "Synchronization",
    ]

    @Test func `pure rooms know no IO, clock, threads or chance, and no pointers`() {
        for file in house.files where Self.pureRooms.contains(file.room) {
            for (module, line) in House.imports(of: file) where Self.pureExceptions[file.path] != module {
                #expect(Self.pureImports.contains(module), "\(file.path):\(line) imports \(module)")
            }
            for (number, line) in file.lines.enumerated() {
                for word in ["ContinuousClock", "SystemRandomNumberGenerator", ".random(in", "Task {", "print("]
                where line.contains(word) && !line.contains("using:") {
                    Issue.record("\(file.path):\(number + 1) uses \(word)")
                }
            }
        }
        for name in Self.pureRooms {
            #expect(house.room(name)?.isStrict == true, "\(name) is built without strict memory safety")
        }
    }

    /// Rooms that may say `Foundation`: 40 MB in the image, and slow where it matters.
    static let foundationRooms: Set = ["apus", "Configuration"]

    @Test func `Foundation stays at the edge`() {
        for file in house.files where !Self.foundationRooms.contains(file.room) {
            for (module, line) in House.imports(of: file) where module == "Foundation" {
                Issue.record("\(file.path):\(line) imports Foundation")
            }
        }
    }

    static let longFiles: [String: String] = [:]

    @Test func `a file has one subject: over 600 lines it needs a reason`() {
        for file in house.files where file.lines.count > 600 {
            #expect(Self.longFiles[file.path] != nil, "\(file.path) has \(file.lines.count) lines")
        }
    }

    /// Where pointers live.
    static let unsafeRooms: Set = [
        "CKernels", "Kernels", "Weights", "Models", "Engine", "HTTP", "Worker", "Router", "Sandbox", "apus",
    ]

    /// Files that tell the compiler to trust them about threads. A new one needs a place here.
    static let trustedFiles: Set = [
        "Engine/Mailbox.swift", "HTTP/AcceptQueue.swift", "HTTP/HTTP2Callbacks.swift", "HTTP/TLSBuffers.swift",
        "HTTP/TLSContext.swift",
        "Kernels/ThreadTeam.swift", "Weights/FileMapping.swift", "apus/Program.swift",
    ]

    @Test func `pointers live only where listed, and escape hatches say why`() {
        var trusted: Set<String> = []
        for file in house.files where file.path.hasSuffix(".swift") {
            for (number, line) in file.lines.enumerated() {
                if line.contains("Unsafe"), !Self.unsafeRooms.contains(file.room) {
                    Issue.record("\(file.path):\(number + 1) uses a pointer")
                }
                if line.contains("@unchecked Sendable") || line.contains("nonisolated(unsafe)") {
                    trusted.insert(file.path)
                    let before = file.lines[max(0, number - 6)...number]
                    #expect(
                        before.contains { $0.contains("SENDABLE:") },
                        "\(file.path):\(number + 1) gives no reason (SENDABLE:)")
                }
            }
        }
        #expect(trusted == Self.trustedFiles)
    }

    @Test func `nothing that outside data can reach may trap`() {
        for file in house.files where file.path.hasSuffix(".swift") {
            for (number, line) in file.lines.enumerated() {
                let code = line.prefix { $0 != "/" || !line.contains("//") }
                for word in ["try!", "fatalError(", " as! "] where code.contains(word) {
                    Issue.record("\(file.path):\(number + 1) uses \(word)")
                }
            }
        }
    }

    @Test func `no unfinished thoughts are left in the source`() {
        for file in house.files {
            for (number, line) in file.lines.enumerated() where line.contains("TODO") || line.contains("FIXME") {
                Issue.record("\(file.path):\(number + 1): \(line)")
            }
        }
    }

    static let vagueNames = ["Manager", "Helper", "Util", "Impl"]

    @Test func `names say what a thing does`() {
        for file in house.files {
            let name = file.path.split(separator: "/").last.map(String.init) ?? ""
            for vague in Self.vagueNames { #expect(!name.contains(vague), "\(file.path)") }
        }
    }
}
