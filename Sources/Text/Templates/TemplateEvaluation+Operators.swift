import OrderedCollections

/// Arithmetic and comparison as Python has them; integers of 64 bits, beyond which rendering fails.
extension TemplateEvaluation {
    private var overflow: ChatTemplateError { fail("a number is too large") }

    func negative(_ value: RuntimeValue) throws(ChatTemplateError) -> RuntimeValue {
        if case .number(let value) = value { return .number(-value) }
        guard let integer = integer(value) else { throw fail("\(value.typeName) has no negative") }
        let (result, isOver) = 0.subtractingReportingOverflow(integer)
        guard !isOver else { throw overflow }
        return .integer(result)
    }

    func positive(_ value: RuntimeValue) throws(ChatTemplateError) -> RuntimeValue {
        if case .number = value { return value }
        guard let integer = integer(value) else { throw fail("\(value.typeName) has no sign") }
        return .integer(integer)
    }

    /// Of integers and booleans, which count as 0 and 1.
    func integer(_ value: RuntimeValue) -> Int? {
        switch value {
        case .integer(let value): value
        case .boolean(let value): value ? 1 : 0
        default: nil
        }
    }

    func number(_ value: RuntimeValue) -> Double? {
        if case .number(let value) = value { return value }
        return integer(value).map { Double($0) }
    }

    func binary(
        _ operation: BinaryOperator, _ left: RuntimeValue, _ right: RuntimeValue
    ) throws(ChatTemplateError) -> RuntimeValue {
        if let joined = try joinedOpen(operation, left, right) { return joined }
        if operation == .concatenate { return try joined(try printed(left), try printed(right)) }
        if let left = integer(left), let right = integer(right) { return try integers(operation, left, right) }
        if let left = number(left), let right = number(right) { return try numbers(operation, left, right) }
        switch (operation, left, right) {
        case (_, .undefined(let why), _), (_, _, .undefined(let why)): throw fail(why)
        case (.add, .text(let left), .text(let right)): return try joined(left, right)
        case (.add, .list(let left), .list(let right)) where left.isTuple == right.isTuple:
            try charge(making: (left.elements.count + right.elements.count) * 16)
            return try list(left.elements + right.elements, isTuple: left.isTuple)
        case (.multiply, .text, .integer(let count)), (.multiply, .list, .integer(let count)):
            return try repeated(left, count)
        case (.multiply, .integer(let count), .text), (.multiply, .integer(let count), .list):
            return try repeated(right, count)
        default:
            throw fail("\(operation) does not work on \(left.typeName) and \(right.typeName)")
        }
    }

    /// - Returns: nil unless both are texts and one is open.
    private func joinedOpen(
        _ operation: BinaryOperator, _ left: RuntimeValue, _ right: RuntimeValue
    ) throws(ChatTemplateError) -> RuntimeValue? {
        var sum: OpenText
        let end: OpenText
        switch (operation, left, right) {
        case (.add, .open(let left), .open(let right)), (.concatenate, .open(let left), .open(let right)):
            (sum, end) = (left, right)
        case (.add, .open(let left), .text(let right)), (.concatenate, .open(let left), .text(let right)):
            (sum, end) = (left, OpenText(right))
        case (.add, .text(let left), .open(let right)), (.concatenate, .text(let left), .open(let right)):
            (sum, end) = (OpenText(left), right)
        default:
            return nil
        }
        sum += end
        return try text(sum)
    }

    private func joined(_ left: [UInt8], _ right: [UInt8]) throws(ChatTemplateError) -> RuntimeValue {
        try charge(making: left.count + right.count)
        return .text(left + right)
    }

    private func repeated(_ value: RuntimeValue, _ count: Int) throws(ChatTemplateError) -> RuntimeValue {
        let times = max(0, count)
        let (byteCount, isOver) = value.byteCount.multipliedReportingOverflow(by: times)
        try charge(making: isOver ? .max / 8 : byteCount)
        guard byteCount > 0 else {
            if case .list(let empty) = value { return try list([], isTuple: empty.isTuple) }
            return .text([])
        }
        switch value {
        case .text(let bytes): return .text(Array(repeatElement(bytes, count: times).joined()))
        case .list(let values):
            return try list(
                Array(repeatElement(values.elements, count: times).joined()), isTuple: values.isTuple)
        default: throw fail("\(value.typeName) cannot be repeated")
        }
    }

    private func integers(
        _ operation: BinaryOperator, _ left: Int, _ right: Int
    ) throws(ChatTemplateError) -> RuntimeValue {
        let result: (partialValue: Int, overflow: Bool)
        switch operation {
        case .add: result = left.addingReportingOverflow(right)
        case .subtract: result = left.subtractingReportingOverflow(right)
        case .multiply: result = left.multipliedReportingOverflow(by: right)
        case .divide: return try numbers(.divide, Double(left), Double(right))
        case .floorDivide, .remainder:
            guard right != 0 else { throw fail("division by zero") }
            let quotient = left.dividedReportingOverflow(by: right)
            guard !quotient.overflow else { throw overflow }
            let remainder = left % right
            // Python rounds towards minus infinity.
            let isRounded = remainder != 0 && (remainder < 0) != (right < 0)
            if operation == .floorDivide {
                result = (isRounded ? quotient.partialValue - 1 : quotient.partialValue, false)
            } else {
                result = (isRounded ? remainder + right : remainder, false)
            }
        case .power:
            guard right >= 0 else { throw fail("a power below 0 is not supported") }
            result = power(left, right)
        case .concatenate: throw fail("numbers cannot be concatenated")
        }
        guard !result.overflow else { throw overflow }
        return .integer(result.partialValue)
    }

    /// By squaring: at most 63 rounds.
    private func power(_ base: Int, _ exponent: Int) -> (partialValue: Int, overflow: Bool) {
        var (result, square, rest) = (1, base, exponent)
        while rest > 0 {
            if rest & 1 == 1 {
                let product = result.multipliedReportingOverflow(by: square)
                guard !product.overflow else { return product }
                result = product.partialValue
            }
            rest >>= 1
            guard rest > 0 else { break }
            let next = square.multipliedReportingOverflow(by: square)
            guard !next.overflow else { return next }
            square = next.partialValue
        }
        return (result, false)
    }

    private func numbers(
        _ operation: BinaryOperator, _ left: Double, _ right: Double
    ) throws(ChatTemplateError) -> RuntimeValue {
        switch operation {
        case .add: return .number(left + right)
        case .subtract: return .number(left - right)
        case .multiply: return .number(left * right)
        case .divide, .floorDivide, .remainder:
            guard right != 0 else { throw fail("division by zero") }
            if operation == .divide { return .number(left / right) }
            let quotient = (left / right).rounded(.down)
            return .number(operation == .floorDivide ? quotient : left - quotient * right)
        case .power, .concatenate: throw fail("powers of fractions are not supported")
        }
    }

    // MARK: Comparison

    func compare(
        _ left: RuntimeValue, _ test: Comparison, _ right: RuntimeValue
    ) throws(ChatTemplateError) -> Bool {
        switch test {
        case .equal: try areEqual(left, right)
        case .unequal: !(try areEqual(left, right))
        case .less: try order(left, right) < 0
        case .lessOrEqual: try order(left, right) <= 0
        case .greater: try order(left, right) > 0
        case .greaterOrEqual: try order(left, right) >= 0
        case .isIn: try contains(right, left)
        case .isNotIn: !(try contains(right, left))
        }
    }

    func areEqual(_ left: RuntimeValue, _ right: RuntimeValue) throws(ChatTemplateError) -> Bool {
        if let left = integer(left), let right = integer(right) { return left == right }
        if let left = number(left), let right = number(right) { return left == right }
        switch (left, right) {
        // It is not empty.
        case (.open, .text(let other)), (.text(let other), .open):
            guard other.isEmpty else { throw looked }
            return false
        case (.open, .open): throw looked
        case (.none, .none), (.undefined, .undefined): return true
        case (.text(let left), .text(let right)):
            guard left.count == right.count else { return false }
            try charge(reading: left.count)
            return left == right
        case (.list(let left), .list(let right)):
            guard left.isTuple == right.isTuple, left.elements.count == right.elements.count else { return false }
            for (left, right) in zip(left.elements, right.elements) {
                try step()
                guard try areEqual(left, right) else { return false }
            }
            return true
        case (.mapping(let left), .mapping(let right)):
            guard left.entries.count == right.entries.count else { return false }
            for (key, value) in left.entries {
                try step()
                try charge(reading: key.value.byteCount)
                guard let other = right.entries[key], try areEqual(value, other) else { return false }
            }
            return true
        case (.namespace(let left), .namespace(let right)): return left === right
        default: return false
        }
    }

    /// Below 0 when `left` comes first.
    func order(_ left: RuntimeValue, _ right: RuntimeValue) throws(ChatTemplateError) -> Int {
        if let left = integer(left), let right = integer(right) { return left < right ? -1 : left > right ? 1 : 0 }
        if let left = number(left), let right = number(right) { return left < right ? -1 : left > right ? 1 : 0 }
        switch (left, right) {
        case (.text(let left), .text(let right)):
            try charge(reading: min(left.count, right.count))
            return left.lexicographicallyPrecedes(right) ? -1 : left == right ? 0 : 1
        case (.list(let left), .list(let right)) where left.isTuple == right.isTuple:
            for (left, right) in zip(left.elements, right.elements) {
                try step()
                guard try !areEqual(left, right) else { continue }
                return try order(left, right)
            }
            return left.elements.count - right.elements.count
        case (.undefined(let why), _), (_, .undefined(let why)): throw fail(why)
        default: throw fail("\(left.typeName) and \(right.typeName) have no order")
        }
    }

    func contains(_ owner: RuntimeValue, _ element: RuntimeValue) throws(ChatTemplateError) -> Bool {
        switch (owner, element) {
        case (.text(let bytes), .text(let part)):
            try charge(reading: 2 * (bytes.count + part.count))
            return TextSearch(part).first(in: bytes[...]) != nil
        case (.list(let list), _):
            for candidate in list.elements {
                try step()
                if try areEqual(candidate, element) { return true }
            }
            return false
        case (.mapping(let mapping), _):
            if case .open = element { throw looked }
            guard let key = RuntimeMapping.Key(element) else { return false }
            try charge(reading: element.byteCount)
            return mapping.entries[key] != nil
        case (.undefined, _): return false
        default: throw fail("\(owner.typeName) cannot contain \(element.typeName)")
        }
    }
}
