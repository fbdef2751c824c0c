import JSON

/// A list of texts, one of which is the answer. The source is a JSON list of strings.
enum ChoiceList {
    static func rules(_ source: String) throws(GrammarError) -> RuleSet {
        guard case .array(let choices) = try JSONSource.parse(source), !choices.isEmpty else {
            throw GrammarError("it must be a list of at least one string")
        }
        guard choices.count <= GrammarLimits.choiceMax else {
            throw GrammarError("it has \(choices.count) choices, but \(GrammarLimits.choiceMax) are the most")
        }
        var texts: [Pattern] = []
        for (index, choice) in choices.enumerated() {
            guard case .string(let text) = choice, !text.isEmpty else {
                throw GrammarError("it must be a string that is not empty", path: "[\(index)]")
            }
            texts.append(.text(text))
        }
        var rules = RuleSet()
        _ = try rules.add("the choice", .choice(of: texts))
        return rules
    }
}

enum JSONSource {
    static func parse(_ source: String) throws(GrammarError) -> JSONValue {
        do {
            return try JSONParser.parse(Array(source.utf8))
        } catch {
            throw GrammarError("it is not valid JSON (line \(error.line), column \(error.column))")
        }
    }
}
