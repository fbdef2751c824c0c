/// The groups of one model by numerics id, in order of the ids. A model has one or two, as a rule: going through them is
/// quicker than hashing an id.
struct GroupTable: Sendable {
    private(set) var ids: [String] = []
    /// As `ids`. nil only while one is being taken out.
    private var groups: [NumericsGroup?] = []

    /// In order of the ids.
    var values: some Sequence<NumericsGroup> { groups.lazy.compactMap(\.self) }

    /// Choices in the lines of all groups.
    var waitingCount: Int {
        var count = 0
        for place in groups.indices { count += groups[place]?.line.count ?? 0 }
        return count
    }

    /// Brings a group where there is none of that id.
    mutating func make(_ id: String) {
        guard !ids.contains(id) else { return }
        let place = ids.firstIndex { id < $0 } ?? ids.count
        ids.insert(id, at: place)
        groups.insert(NumericsGroup(), at: place)
    }

    /// Looks at a group where it lies.
    @inline(__always)
    @discardableResult mutating func with<Result>(_ id: String, _ body: (inout NumericsGroup) -> Result) -> Result? {
        guard let place = ids.firstIndex(of: id) else { return nil }
        return groups[place].inPlace(body)
    }

    /// nil where there is none of that id. Setting nil takes it out; `make` brings one.
    subscript(id: String) -> NumericsGroup? {
        @inline(__always) get { ids.firstIndex(of: id).flatMap { groups[$0] } }
        @inline(__always) _modify {
            guard let place = ids.firstIndex(of: id) else {
                var none: NumericsGroup?
                yield &none
                return
            }
            yield &groups[place]
            if groups[place] == nil {
                ids.remove(at: place)
                groups.remove(at: place)
            }
        }
    }
}
