/// Why a constraint cannot be compiled. `path` says where in a schema (`#/properties/age/pattern`); it is empty for what
/// has no inner places. `reason` is a clause that ends without a full stop.
package struct GrammarError: Error, Equatable, Sendable {
    package var path: String
    package var reason: String

    package init(_ reason: String, path: String = "") {
        self.reason = reason
        self.path = path
    }
}

/// What a constraint may cost, at compilation and later. Hostile ones end at these limits within milliseconds, and the
/// automaton is made on a stack of 512 KiB: patterns nest as deep as `depthMax` lets them, never as long as a list is.
package enum GrammarLimits {
    /// Bytes of a schema, regular expression, grammar or list of choices.
    package static let sourceByteMax = 64 << 10
    /// Nested groups of an expression, or schemas in schemas.
    static let depthMax = 48
    /// Schemas, and the names and values in them, those of references and of `allOf` counted wherever they are put.
    static let schemaMax = 10_000
    static let schemaValueMax = 400_000
    /// Characters of properties' names beside `additionalProperties`, of which each needs some twenty nodes.
    static let nameBeginningMax = 1_500
    /// Nodes of the automaton. A schema of a hundred properties has about three thousand.
    static let nodeMax = 40_000
    /// Rules of a grammar, or what a schema needs of such.
    static let ruleMax = 8_000
    /// Parts of patterns of which nodes are made, parts that come twice counted twice.
    static let stepMax = 160_000
    /// Different classes of characters in an expression or a grammar, each some ten nodes.
    static let classMax = 2_000
    /// Of one `{m,n}`, and of such within each other taken together: more states than this are not told apart.
    static let repetitionMax = 1_000
    static let repetitionProductMax = 10_000
    /// Counts of a schema (`maxLength`, `maxItems`), which are counted and not written out.
    static let countMax = 100_000
    package static let choiceMax = 2_000
    /// Places the automaton may be in at once. Beyond it the constraint is too ambiguous to be followed.
    static let placeMax = 4_096
    /// Places looked at for one mask by who remembers nothing: what bounds a step's delay, some 20 ms.
    static let workMax = 500_000
    /// What is remembered of one constraint's states and masks, 20 MB in all. Beyond it all is forgotten but where
    /// sequences are; a mask that alone needs more is too ambiguous.
    static let transitionMax = 1 << 20
    static let rememberedPlaceMax = 1 << 18
    static let frameMax = 1 << 16
    static let maskByteMax = 4 << 20
}
