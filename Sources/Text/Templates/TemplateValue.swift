/// A value that a template is given. Ordered as it was written, since templates print it.
package enum TemplateValue: Equatable, Sendable {
    case none
    case boolean(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case list([TemplateValue])
    /// Of entries with equal keys the last counts.
    case mapping([Entry])

    package struct Entry: Equatable, Sendable {
        package var key: String
        package var value: TemplateValue

        package init(key: String, value: TemplateValue) {
            self.key = key
            self.value = value
        }
    }
}

/// A date and time of day as `strftime_now` prints it. Pure rooms have no clock: who renders says what time it is.
package struct TemplateTime: Equatable, Sendable {
    package var year: Int
    /// 1 is January.
    package var month: Int
    /// From 1.
    package var day: Int
    package var hour: Int
    package var minute: Int
    package var second: Int

    package init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
        self.year = year
        self.month = month
        self.day = day
        self.hour = hour
        self.minute = minute
        self.second = second
    }
}
