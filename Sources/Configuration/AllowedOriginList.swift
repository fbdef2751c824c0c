/// Origins of web pages, as the setting `allowed-origins` lists them: `SCHEME://HOST` or `SCHEME://HOST:PORT`, as browsers
/// write them, or `*`.
package enum AllowedOriginList {
    package static func read(_ items: [String]) throws(ConfigurationError) -> [String] {
        for item in items where item != "*" && !isOrigin(item) {
            throw .badValue(
                place: RouterKeys.allowedOrigins.name, value: item,
                expected: "* or SCHEME://HOST[:PORT], in lower case and with nothing after it")
        }
        return items
    }

    private static func isOrigin(_ text: String) -> Bool {
        guard let mark = text.firstRange(of: "://") else { return false }
        let (scheme, host) = (text[..<mark.lowerBound].utf8, text[mark.upperBound...].utf8)
        return !scheme.isEmpty && scheme.allSatisfy { isNameByte($0) || $0 == UInt8(ascii: "+") } && !host.isEmpty
            && host.allSatisfy { isNameByte($0) || "_:[]".utf8.contains($0) }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "."):
            true
        default: false
        }
    }
}
