extension SeededRandom {
    /// Flips, replaces, drops, inserts or doubles bytes, or cuts the end off; one to four times.
    package mutating func damaged(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0...below(4) {
            guard !bytes.isEmpty else { return bytes }
            let place = below(bytes.count)
            switch below(6) {
            case 0: bytes[place] ^= 1 << UInt8(below(8))
            case 1: bytes[place] = byte()
            case 2: bytes.remove(at: place)
            case 3: bytes.insert([0x00, 0x7F, 0x80, 0xFF][below(4)], at: place)
            case 4: bytes.insert(contentsOf: bytes[place..<min(place + 1 + below(30), bytes.count)], at: place)
            default: bytes.removeLast(1 + below(bytes.count))
            }
        }
        return bytes
    }
}
