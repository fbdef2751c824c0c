/// The pages of one sequence: page `i` holds positions `i * pageTokenCount ..< (i + 1) * pageTokenCount`.
///
/// Filled and emptied by ``KVPagePool`` alone. Page numbers say where K and V lie and must influence nothing else.
package struct PageTable: Equatable, Sendable {
    package internal(set) var pages: [Int32] = []
    /// Leading pages that are full and known to the prefix index: no one writes to them any more.
    package internal(set) var indexedCount = 0
    /// Hash of the last indexed page, or the salt: the link that the next page's hash hangs on.
    package internal(set) var chainHash: UInt64
    /// Becomes false when a page's hash belongs to other tokens: this sequence then keeps its later pages to itself.
    package internal(set) var isIndexable = true

    package init(salt: UInt64) { chainHash = salt }
}
