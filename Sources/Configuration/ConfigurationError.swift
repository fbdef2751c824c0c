package enum ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    case unknownKey(String, place: String, nearest: String?)
    case badValue(place: String, value: String, expected: String)
    case missing(String)
    case unreadable(path: String, reason: String)

    package var description: String {
        switch self {
        case .unknownKey(let name, let place, let nearest):
            "Unknown key \(name) in \(place)." + (nearest.map { " Did you mean \($0)?" } ?? "")
        case .badValue(let place, let value, let expected):
            "\(place) must be \(expected), not '\(value.prefix(100))'."
        case .missing(let name):
            name == WorkerKeys.model.name
                ? "The model is missing: give it as an argument, as APUS_MODEL or in the configuration file."
                : "\(name) is missing: give it as --\(name), in the environment or in the configuration file."
        case .unreadable(let path, let reason):
            "\(path): \(reason)."
        }
    }
}
