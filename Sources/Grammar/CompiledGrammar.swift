package import Inference

/// A constraint as an automaton over bytes. Equal constraints give equal automata, wherever they are compiled.
///
/// Cost: at most some ten milliseconds, whatever the source; see ``GrammarLimits``.
package struct CompiledGrammar: Sendable {
    let program: Program

    /// - Throws: what in the source cannot be honoured, and where.
    package init(_ constraint: OutputConstraint) throws(GrammarError) {
        let limit = GrammarLimits.sourceByteMax
        guard constraint.source.utf8.count <= limit else {
            throw GrammarError("it has \(constraint.source.utf8.count) bytes, but \(limit) are the most")
        }
        guard !constraint.source.isEmpty else { throw GrammarError("it is empty") }
        let rules =
            switch constraint.kind {
            case .jsonSchema: try SchemaCompiler.rules(constraint.source)
            case .regex: try RegexParser.rules(constraint.source)
            case .grammar: try GrammarTextParser.rules(constraint.source)
            case .choice: try ChoiceList.rules(constraint.source)
            }
        program = try ProgramBuilder.build(rules)
        var table = PlaceTable(program)
        do {
            _ = try table.start()
        } catch {
            throw GrammarError("it can begin in more than \(GrammarLimits.placeMax) ways at once")
        }
    }
}
