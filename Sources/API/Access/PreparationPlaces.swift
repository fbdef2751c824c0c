/// Places for bodies on other threads, waiting there or being worked on.
///
/// One tenant has half of them at most while others ask too, as in the scheduler's queue: more would let two of them
/// leave a third no room. A tenant that was refused has asked, so that it finds a place when it asks again.
struct PreparationPlaces {
    /// Nobody is about who has not asked for so long.
    private static let memorySeconds: Int64 = 60

    private let countMax: Int
    /// By tenant; none is 0.
    private var held: [String: Int] = [:]
    private var count = 0
    /// Who asked last, and who did last besides: whoever asks now, one of them is another.
    private var last: (tenant: String, at: Int64)?
    private var lastBesides: (tenant: String, at: Int64)?

    init(countMax: Int) { self.countMax = countMax }

    /// - Parameter now: steady seconds.
    /// - Returns: how many are taken, by all or by this tenant, where there is no place for one more; nil where there was.
    mutating func take(_ tenant: String, now: Int64) -> Int? {
        if let last, last.tenant != tenant { lastBesides = last }
        last = (tenant, now)
        guard count < countMax else { return count }
        let own = held[tenant, default: 0]
        let areOthersAbout = count > own || lastBesides.map { now - $0.at < Self.memorySeconds } ?? false
        guard !areOthersAbout || own < max(1, countMax / 2) else { return own }
        held[tenant] = own + 1
        count += 1
        return nil
    }

    mutating func giveBack(_ tenant: String) {
        let own = held[tenant, default: 0]
        precondition(own > 0, "a place is given back that was not taken")
        held[tenant] = own == 1 ? nil : own - 1
        count -= 1
    }
}
