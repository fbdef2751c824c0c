/// The known name that needs the fewest edits to become `name`, if that is few enough to be a slip of the finger.
package func nearestName(to name: String, among known: [String]) -> String? {
    let best = known.map { (name: $0, distance: editDistance(Array(name.utf8), Array($0.utf8))) }
        .min { ($0.distance, $0.name) < ($1.distance, $1.name) }
    guard let best, best.distance <= max(2, name.utf8.count / 3) else { return nil }
    return best.name
}

/// Insertions, deletions and replacements between two names. Source: Wagner and Fischer, 1974.
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, y) in b.enumerated() {
            let replaced = diagonal + (x == y ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
        }
    }
    return row[b.count]
}
