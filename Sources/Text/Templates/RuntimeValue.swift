import OrderedCollections

/// A value while a template runs. Texts are bytes of valid UTF-8: comparing and searching must not normalize.
enum RuntimeValue {
    /// What a name or key that does not exist gives; knows its name for the error message.
    case undefined(String)
    case none
    case boolean(Bool)
    case integer(Int)
    case number(Double)
    case text([UInt8])
    /// A text that is not empty, of which nothing else is known. Only where contents of messages are left open.
    case open(OpenText)
    case list(RuntimeList)
    case mapping(RuntimeMapping)
    case namespace(TemplateNamespace)
    case macro(TemplateMacro)
    case function(TemplateFunction)
    case loop(LoopPosition)

    static func text(_ string: String) -> RuntimeValue { .text(Array(string.utf8)) }

    /// Lists within lists: 0 for what is no list.
    var depth: Int {
        switch self {
        case .list(let list): list.depth
        case .mapping(let mapping): mapping.depth
        default: 0
        }
    }

    /// Whether lists, mappings and namespaces may hold it. They hold data only: so values are trees, and no cycle of
    /// references can be made.
    var isData: Bool {
        switch self {
        case .namespace, .macro, .function, .loop: false
        default: true
        }
    }

    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .boolean(let value): value
        case .integer(let value): value != 0
        case .number(let value): value != 0
        case .text(let bytes): !bytes.isEmpty
        case .list(let list): !list.elements.isEmpty
        case .mapping(let mapping): !mapping.entries.isEmpty
        case .open, .namespace, .macro, .function, .loop: true
        }
    }

    /// As Python names it, for error messages.
    var typeName: String {
        switch self {
        case .undefined: "undefined"
        case .none: "none"
        case .boolean: "a boolean"
        case .integer, .number: "a number"
        case .text, .open: "a string"
        case .list: "a list"
        case .mapping: "a mapping"
        case .namespace: "a namespace"
        case .macro, .function: "a function"
        case .loop: "a loop"
        }
    }

    /// Bytes that an operation on it reads, not counting what its elements hold.
    var byteCount: Int {
        switch self {
        case .text(let bytes): bytes.count
        case .open(let text): text.byteCount
        case .list(let list): list.elements.count &* 16
        case .mapping(let mapping): mapping.entries.count &* 32
        default: 0
        }
    }
}

/// A list or a tuple; they differ in how they print and in that they are never equal.
struct RuntimeList {
    var elements: [RuntimeValue]
    var isTuple: Bool
    var depth: Int
}

struct RuntimeMapping {
    enum Key: Hashable {
        case text([UInt8])
        case integer(Int)

        /// Of every message.
        static let role = Key.text(Array("role".utf8))
        static let content = Key.text(Array("content".utf8))

        var value: RuntimeValue {
            switch self {
            case .text(let bytes): .text(bytes)
            case .integer(let value): .integer(value)
            }
        }

        init?(_ value: RuntimeValue) {
            switch value {
            case .text(let bytes): self = .text(bytes)
            case .integer(let value): self = .integer(value)
            default: return nil
            }
        }
    }

    var entries: OrderedDictionary<Key, RuntimeValue>
    var depth: Int
}

/// Changed by `{% set ns.name = … %}`, from inside loops too.
final class TemplateNamespace {
    var values: [String: RuntimeValue] = [:]
}

/// A macro, or the body of a call block (`caller`).
final class TemplateMacro {
    let definition: MacroDefinition
    /// Scopes that the body of a call block sees; a macro sees only the outermost.
    let scopes: [TemplateScope]?

    init(_ definition: MacroDefinition, scopes: [TemplateScope]?) {
        self.definition = definition
        self.scopes = scopes
    }
}

enum TemplateFunction: String {
    case range, namespace, dict
    case raiseException = "raise_exception"
    case timeNow = "strftime_now"
}

/// What `loop` is inside a loop's body.
struct LoopPosition {
    var index: Int
    var elements: [RuntimeValue]

    /// Nil for a name that loops do not have.
    func attribute(_ name: String) -> RuntimeValue? {
        switch name {
        case "index": .integer(index + 1)
        case "index0": .integer(index)
        case "revindex": .integer(elements.count - index)
        case "revindex0": .integer(elements.count - index - 1)
        case "first": .boolean(index == 0)
        case "last": .boolean(index == elements.count - 1)
        case "length": .integer(elements.count)
        case "previtem": index > 0 ? elements[index - 1] : .undefined("there is no previous item")
        case "nextitem": index + 1 < elements.count ? elements[index + 1] : .undefined("there is no next item")
        // Counts recursive calls of a loop, which are not supported here.
        case "depth": .integer(1)
        case "depth0": .integer(0)
        default: nil
        }
    }
}
