/// The target of a request, split at its "?". One reading for router and authoriser: what could be read in two ways is
/// refused, never repaired.
struct RequestTarget: Equatable {
    var path: String
    var query: String?

    /// `nil` for anything but an absolute path of plain characters: no "." or ".." segments, "//", backslash,
    /// parameters (";"), fragments, nor percent codes of ".", "/", "\" and control characters.
    /// - Parameter encodedSlashesBelow: where "%2F" is allowed all the same.
    init?(_ bytes: some Collection<UInt8>, encodedSlashesBelow: [String] = []) {
        if Self.isSimple(bytes) {
            path = String(decoding: bytes, as: UTF8.self)
            return
        }
        guard bytes.first == UInt8(ascii: "/"), bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        let end = bytes.firstIndex(of: UInt8(ascii: "?")) ?? bytes.endIndex
        let pathBytes = bytes[..<end]
        let allowsSlash = encodedSlashesBelow.contains { pathBytes.starts(with: $0.utf8) }
        guard Self.isPlain(pathBytes, allowsEncodedSlash: allowsSlash), !bytes.contains(UInt8(ascii: "#")) else {
            return nil
        }
        path = String(decoding: pathBytes, as: UTF8.self)
        query = end == bytes.endIndex ? nil : String(decoding: bytes[bytes.index(after: end)...], as: UTF8.self)
    }

    /// Also of the absolute form, as clients send it that take the server for their proxy (RFC 9112 3.2.2). Whose name it
    /// has there matters to nobody here, no more than that in `host`.
    init?(pathOf target: ArraySlice<UInt8>, encodedSlashesBelow: [String]) {
        guard target.first != UInt8(ascii: "/") else {
            self.init(target, encodedSlashesBelow: encodedSlashesBelow)
            return
        }
        let (scheme, authority, path) = Self.parts(target)
        guard ["http", "https"].contains(String(decoding: scheme, as: UTF8.self).lowercased()), !authority.isEmpty,
            authority.allSatisfy(Self.isAuthorityByte)
        else { return nil }
        self.init(path.isEmpty ? [UInt8(ascii: "/")] : path, encodedSlashesBelow: encodedSlashesBelow)
    }

    /// Of "scheme://authority/path"; all empty where it is nothing like that.
    private static func parts(
        _ target: ArraySlice<UInt8>
    ) -> (scheme: ArraySlice<UInt8>, authority: ArraySlice<UInt8>, path: ArraySlice<UInt8>) {
        let scheme = target.prefix { $0 != UInt8(ascii: ":") }
        let rest = target[scheme.endIndex...]
        guard rest.starts(with: "://".utf8) else { return ([], [], []) }
        let authority = rest.dropFirst(3).prefix { $0 != UInt8(ascii: "/") }
        return (scheme, authority, rest[authority.endIndex...])
    }

    /// Of a name or an address with a port; nobody's password stands before it.
    private static func isAuthorityByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"):
            true
        default: false
        }
    }

    /// Nearly all paths: of letters, digits, "-" and "_" between single slashes, there is nothing else to find out.
    private static func isSimple(_ bytes: some Collection<UInt8>) -> Bool {
        guard bytes.first == UInt8(ascii: "/") else { return false }
        var last: UInt8 = 0
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                break
            case UInt8(ascii: "/"): if last == byte { return false }
            default: return false
            }
            last = byte
        }
        return true
    }

    private static func isPlain(_ path: some Collection<UInt8>, allowsEncodedSlash: Bool) -> Bool {
        // The length of the segment so far and whether it is all dots; a lone "/" is the empty last segment.
        var length = 0
        var isDots = true
        var rest = path.dropFirst().makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "/"):
                if length == 0 || (isDots && length <= 2) { return false }
                length = 0
                isDots = true
                continue
            case UInt8(ascii: "\\"), UInt8(ascii: ";"):
                return false
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(Hex.value), let low = rest.next().flatMap(Hex.value) else {
                    return false
                }
                let decoded = high << 4 | low
                let refused: [UInt8] = [UInt8(ascii: "."), UInt8(ascii: "\\"), UInt8(ascii: ";"), 0x7f]
                if decoded < 0x20 || refused.contains(decoded) { return false }
                if decoded == UInt8(ascii: "/"), !allowsEncodedSlash { return false }
                isDots = false
            case UInt8(ascii: "."):
                break
            default:
                isDots = false
            }
            length += 1
        }
        return !(isDots && (length == 1 || length == 2))
    }
}

package enum Hex {
    package static func value(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    static let digits = Array("0123456789ABCDEF".utf8)
}
