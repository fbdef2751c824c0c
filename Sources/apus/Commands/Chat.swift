import ArgumentParser
import Foundation
import HTTP
import NIOCore

/// `apus chat`: talk to a running cluster.
struct Chat: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Chat with a model of a running cluster.",
        discussion: "Type a message and press return; an empty line or Ctrl-D ends the chat.")

    @Option(help: ArgumentHelp("Where the router listens.", valueName: "url")) var url = "http://127.0.0.1:8000"
    @Option(help: ArgumentHelp("The model; without it, the first that is served.", valueName: "name"))
    var model: String?
    @Option(help: ArgumentHelp("Instructions to the model.", valueName: "text")) var system: String?
    @Option(help: ArgumentHelp("0 always takes the likeliest token.", valueName: "0...2")) var temperature = 0.7
    @Option(help: ArgumentHelp("Repeats an answer exactly.", valueName: "n")) var seed: UInt32?
    @Option(help: ArgumentHelp("Longest answer.", valueName: "tokens")) var maxTokens = 512

    func run() throws {
        let command = self
        try Program.run {
            { _ in try await command.talk() }
        }
    }

    private func talk() async throws {
        let place = try URLParts(url)
        let name = try await modelName(place)
        var messages: [[String: String]] = system.map { [["role": "system", "content": $0]] } ?? []
        say("Talking to \(name). An empty line ends the chat.\n")
        while let line = ask(), !line.isEmpty {
            messages.append(["role": "user", "content": line])
            messages.append(["role": "assistant", "content": try await answer(place, name, messages)])
        }
    }

    private func ask() -> String? {
        say("> ")
        return readLine()
    }

    /// At once, in order, whatever standard output is.
    private func say(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }

    private func modelName(_ place: URLParts) async throws -> String {
        if let model { return model }
        let answer = try await HTTPRequestTask.send(place, method: "GET", path: "/v1/models", body: nil)
        let json = try? JSONSerialization.jsonObject(with: Data(answer.body.readableBytesView)) as? [String: Any]
        guard let first = (json?["data"] as? [[String: Any]])?.first?["id"] as? String else {
            throw Sentence(description: "\(url) serves no model now.")
        }
        return first
    }

    /// Prints the answer as it comes.
    private func answer(_ place: URLParts, _ name: String, _ messages: [[String: String]]) async throws -> String {
        var request: [String: Any] = [
            "model": name, "messages": messages, "stream": true, "temperature": temperature, "max_tokens": maxTokens,
        ]
        request["seed"] = seed
        let body = ByteBuffer(bytes: try JSONSerialization.data(withJSONObject: request))
        var lines = EventLines()
        var text = ""
        var status = 0
        for try await piece in HTTPRequestTask.stream(place, method: "POST", path: "/v1/chat/completions", body: body) {
            switch piece {
            case .head(let head): status = head
            case .body(let bytes) where status != 200:
                throw Sentence(description: "The router answered \(status): \(String(buffer: bytes))")
            case .body(let bytes):
                for payload in lines.append(bytes) {
                    let delta = try Self.delta(payload)
                    text += delta
                    say(delta)
                }
            }
        }
        say("\n")
        return text
    }

    private static func delta(_ payload: [UInt8]) throws -> String {
        guard let json = try? JSONSerialization.jsonObject(with: Data(payload)) as? [String: Any] else { return "" }
        if let error = json["error"] as? [String: Any] {
            throw Sentence(description: "The answer broke off: \(error["message"] ?? "no reason given")")
        }
        let choice = (json["choices"] as? [[String: Any]])?.first
        return ((choice?["delta"] as? [String: Any])?["content"] as? String) ?? ""
    }
}
