import Configuration
import Foundation
import Text

/// A chat template that the operator gives in place of the model's own.
enum ChatTemplateFile {
    private static let byteCountMax = 1 << 20

    /// - Returns: its text, which is a template.
    static func read(_ path: String) throws -> String {
        guard let data = FileManager.default.contents(atPath: path), data.count <= byteCountMax else {
            throw ConfigurationError.unreadable(
                path: path, reason: "there is no file of at most \(byteCountMax) bytes that can be read")
        }
        guard let source = String(data: data, encoding: .utf8) else {
            throw ConfigurationError.unreadable(path: path, reason: "a chat template is a text in UTF-8")
        }
        do throws(ChatTemplateError) {
            _ = try ChatTemplate(source: source, bosToken: "", eosToken: "")
        } catch {
            throw ConfigurationError.unreadable(path: path, reason: "this is no chat template: \(error.sentence)")
        }
        return source
    }
}
