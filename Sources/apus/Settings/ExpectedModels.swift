import Configuration
import Models
import Router
import Text

/// Models that a router lists before a worker of theirs is there, as their files describe them.
enum ExpectedModels {
    static func read(_ settings: Settings, _ flags: FindingFlags) throws -> [ExpectedModel] {
        try settings.value(RouterKeys.expectedModel, flag: flags.expectedModel).map { entry in
            guard let equals = entry.firstIndex(of: "="), entry.index(after: equals) < entry.endIndex else {
                throw ConfigurationError.badValue(
                    place: RouterKeys.expectedModel.name, value: entry, expected: "NAME=FILE")
            }
            let path = String(entry[entry.index(after: equals)...])
            let name = try ModelName.of(String(entry[..<equals]), path: path)
            let file = try DecoderFile(path: path)
            return ExpectedModel(
                name: name, tokenizer: try Tokenizer(try file.tokenizer()), contextLength: file.spec.contextLength)
        }
    }
}
