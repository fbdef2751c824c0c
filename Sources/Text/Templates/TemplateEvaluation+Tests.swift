/// `is …`
extension TemplateEvaluation {
    func test(
        _ value: RuntimeValue, _ name: String, _ given: ArgumentValues
    ) throws(ChatTemplateError) -> Bool {
        var arguments = given
        var answer = try simple(name, value)
        if answer == nil { answer = try compared(name, value, &arguments) }
        guard let answer else { throw fail("there is no test '\(name.prefix(80))'") }
        guard arguments.isEmpty else { throw fail("too many arguments for the test '\(name)'") }
        return answer
    }

    /// Tests without arguments.
    private func simple(_ name: String, _ value: RuntimeValue) throws(ChatTemplateError) -> Bool? {
        switch name {
        case "defined": return if case .undefined = value { false } else { true }
        case "undefined": return if case .undefined = value { true } else { false }
        case "none": return if case .none = value { true } else { false }
        case "boolean": return if case .boolean = value { true } else { false }
        case "true": return if case .boolean(true) = value { true } else { false }
        case "false": return if case .boolean(false) = value { true } else { false }
        case "integer": return if case .integer = value { true } else { false }
        case "float": return if case .number = value { true } else { false }
        case "number": return number(value) != nil
        case "string":
            switch value {
            case .text, .open: return true
            default: return false
            }
        case "mapping": return if case .mapping = value { true } else { false }
        case "sequence", "iterable":
            switch value {
            case .text, .open, .list, .mapping, .undefined: return true
            case .loop: return name == "iterable"
            default: return false
            }
        case "callable":
            switch value {
            case .macro, .function: return true
            default: return false
            }
        case "even", "odd":
            guard let integer = integer(value) else { throw fail("\(value.typeName) is neither even nor odd") }
            return integer.isMultiple(of: 2) == (name == "even")
        case "upper", "lower":
            let text = try printed(value)
            let scalars = String(decoding: try studied(text), as: UTF8.self).unicodeScalars
            let (has, lacks) = (
                scalars.contains(where: \.properties.isUppercase), scalars.contains(where: \.properties.isLowercase)
            )
            return name == "upper" ? has && !lacks : lacks && !has
        default: return nil
        }
    }

    private func compared(
        _ name: String, _ value: RuntimeValue, _ arguments: inout ArgumentValues
    ) throws(ChatTemplateError) -> Bool? {
        let comparison: Comparison
        switch name {
        case "equalto", "eq", "==": comparison = .equal
        case "ne", "!=": comparison = .unequal
        case "lt", "lessthan", "<": comparison = .less
        case "le", "<=": comparison = .lessOrEqual
        case "gt", "greaterthan", ">": comparison = .greater
        case "ge", ">=": comparison = .greaterOrEqual
        case "in": comparison = .isIn
        case "sameas":
            guard let other = arguments.take("other") else { throw fail("sameas needs something to compare with") }
            // Values have no identity; what is the same object in Python is of one type and equal.
            return value.typeName == other.typeName ? try areEqual(value, other) : false
        case "divisibleby":
            guard let number = integer(value), let divisor = arguments.take("num").flatMap(integer), divisor != 0 else {
                throw fail("divisibleby needs two numbers")
            }
            return number.isMultiple(of: divisor)
        default: return nil
        }
        guard let other = arguments.take("other") else {
            throw fail("the test '\(name)' needs something to compare with")
        }
        return try compare(value, comparison, other)
    }
}
