/// `strftime` for the codes that templates use, with English names.
extension TemplateTime {
    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
    private static let days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]

    /// Nil for an unknown code.
    func formatted(_ format: [UInt8]) -> [UInt8]? {
        var output: [UInt8] = []
        var bytes = format.makeIterator()
        while let byte = bytes.next() {
            guard byte == UInt8(ascii: "%") else {
                output.append(byte)
                continue
            }
            guard let code = bytes.next(), let text = text(code) else { return nil }
            output += Array(text.utf8)
        }
        return output
    }

    private func text(_ code: UInt8) -> String? {
        let monthName = (1...12).contains(month) ? Self.months[month - 1] : ""
        return switch code {
        case UInt8(ascii: "d"): padded(day)
        case UInt8(ascii: "m"): padded(month)
        case UInt8(ascii: "Y"): padded(year, width: 4)
        case UInt8(ascii: "y"): padded(year % 100)
        case UInt8(ascii: "H"): padded(hour)
        case UInt8(ascii: "I"): padded(hour % 12 == 0 ? 12 : hour % 12)
        case UInt8(ascii: "M"): padded(minute)
        case UInt8(ascii: "S"): padded(second)
        case UInt8(ascii: "p"): hour < 12 ? "AM" : "PM"
        case UInt8(ascii: "B"): monthName
        case UInt8(ascii: "b"): String(monthName.prefix(3))
        case UInt8(ascii: "A"): Self.days[weekday]
        case UInt8(ascii: "a"): String(Self.days[weekday].prefix(3))
        case UInt8(ascii: "%"): "%"
        default: nil
        }
    }

    private func padded(_ value: Int, width: Int = 2) -> String {
        let text = "\(value)"
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }

    /// 0 is Sunday. Source: Tomohiko Sakamoto's rule, 1993.
    private var weekday: Int {
        guard (1...12).contains(month), (1...9999).contains(year) else { return 0 }
        let offsets = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4]
        let year = month < 3 ? year - 1 : year
        let sum = year + year / 4 - year / 100 + year / 400 + offsets[month - 1] + min(max(day, 1), 31)
        return sum % 7
    }
}
