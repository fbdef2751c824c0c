import Inference
import Serving
import Testing
import Text

@testable import Router

@Suite struct TextStreamTests {
    static func words(_ text: String) -> [TokenID] { text.unicodeScalars.map { TokenID(259 + $0.value - 97) } }

    static func pieces(_ tokens: [TokenID], stops: [String] = []) -> [TextStream.Piece] {
        var stream = TextStream(Oracle.tokenizer, for: .sample(stops: stops))
        var pieces: [TextStream.Piece] = []
        for token in tokens {
            let matched = stream.append(token, nil)
            pieces.append(stream.takePiece())
            if matched != nil { return pieces }
        }
        _ = stream.finish()
        pieces.append(stream.takePiece())
        return pieces
    }

    @Test func `a token is told with the text that it ends`() {
        let (a, b) = (TokenID(3 + 0xC3), TokenID(3 + 0xA9))
        let pieces = Self.pieces(Self.words("a") + [a, b] + Self.words("b"))
        #expect(pieces.map(\.text) == [" wa", "", "é", " wb", ""])
        #expect(pieces.map(\.tokenCount) == [1, 0, 2, 1, 0])
    }

    @Test func `what may begin a stop string is held back with its tokens, and let go when it is none`() {
        let pieces = Self.pieces(Self.words("abad"), stops: ["wb wc"])
        #expect(pieces.map(\.text) == [" wa", " ", "wb wa", " wd", ""])
        #expect(pieces.map(\.tokenCount) == [1, 0, 2, 1, 0])
    }

    @Test func `of a stop string only the tokens before it are told`() {
        let pieces = Self.pieces(Self.words("abcz"), stops: ["a wb wc"])
        #expect(pieces.map(\.text).joined() == " w")
        #expect(pieces.map(\.tokenCount).reduce(0, +) == 1)
    }

    @Test func `an unfinished character at the end becomes a replacement`() {
        let pieces = Self.pieces(Self.words("a") + [3 + 0xC3])
        #expect(pieces.map(\.text) == [" wa", "", "\u{FFFD}"])
        #expect(pieces.map(\.tokenCount).reduce(0, +) == 2)
    }
}
