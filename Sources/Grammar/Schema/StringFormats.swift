/// The formats of strings, as regular expressions for their contents. Narrower than their standards where that spares
/// a doubt: no 29th of February, years of four digits, no leap seconds.
enum StringFormats {
    private static let date =
        "[12][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    private static let time =
        "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
    private static let byte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
    private static let label = "[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?"

    static let expressions: [String: String] = [
        "date": date, "time": time, "date-time": date + "T" + time,
        "duration":
            "P([0-9]{1,9}D(T[0-9]{1,9}(H([0-9]{1,9}M)?([0-9]{1,9}S)?|M([0-9]{1,9}S)?|S))?|T[0-9]{1,9}(H|M|S))",
        "uuid": "[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
        "email": "[A-Za-z0-9_+-]{1,32}(\\.[A-Za-z0-9_+-]{1,32}){0,4}@\(label)(\\.\(label)){0,4}\\.[a-z]{2,10}",
        "hostname": "\(label)(\\.\(label)){0,5}", "ipv4": "\(byte)\\.\(byte)\\.\(byte)\\.\(byte)",
        "uri": "https?://\(label)(\\.\(label)){0,5}(:[1-9][0-9]{0,3})?(/[A-Za-z0-9._~-]{0,64}){0,16}",
    ]

    static var names: String { expressions.keys.sorted().joined(separator: ", ") }
}
