import Foundation

/// How far a download is, on standard error: a line that changes on a terminal, a line for each tenth elsewhere.
struct DownloadProgress {
    private let name: String
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var shown = -1
    private var hasOpenLine = false

    init(name: String) { self.name = name }

    mutating func show(_ byteCount: Int, of total: Int?) {
        let step: Int
        if let total, total > 0 {
            let percent = Int(Double(byteCount) / Double(total) * 100)
            step = isTerminal ? percent : percent / 10
        } else {
            step = byteCount >> (isTerminal ? 20 : 26)
        }
        guard step != shown else { return }
        shown = step
        let size = total.map { " of \($0 >> 20) MiB" } ?? ""
        let text = "\(name): \(byteCount >> 20) MiB\(size)"
        write(isTerminal ? "\r\(text)   " : text + "\n")
        hasOpenLine = isTerminal
    }

    mutating func say(_ sentence: String) {
        end()
        write("apus: \(sentence)\n")
    }

    mutating func end() {
        if hasOpenLine { write("\n") }
        hasOpenLine = false
    }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
