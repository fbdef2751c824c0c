extension UInt8 {
    /// White space of ASCII, as C's `isspace` has it.
    var isASCIISpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
}
