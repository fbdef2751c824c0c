import NIOCore
import Testing

@testable import HTTP

@Suite struct HTTP1EncoderTests {
    private func head(_ fields: [HTTPField]) -> String {
        var out = ByteBuffer()
        HTTP1Encoder.responseHead(
            status: 200, headers: fields, framing: .plain, closes: false, date: "today", into: &out)
        return String(buffer: out)
    }

    @Test(arguments: [0, 9, 10, 13, 31, 127] as [UInt8])
    func `a control character of a value becomes a space wherever it stands`(control: UInt8) {
        for beginning in ["", "é", "0123456é"] {
            for place in 0..<20 {
                var bytes = Array("abcdefghijklmnopqrst".utf8)
                bytes[place] = control
                let value = beginning + String(decoding: bytes, as: UTF8.self)
                bytes[place] = UInt8(ascii: " ")
                let plain = beginning + String(decoding: bytes, as: UTF8.self)
                #expect(
                    head([HTTPField("x-name", value)]) == "HTTP/1.1 200 OK\r\nx-name: \(plain)\r\ndate: today\r\n\r\n")
            }
        }
    }

    @Test func `fields that belong to the connection are left out, others of their length are not`() {
        let ours = ["connection", "keep-alive", "transfer-encoding", "upgrade"].map { HTTPField($0, "a") }
        #expect(head(ours) == head([]))
        for name in ["x-header-1", "x-seven", "x-seventeen-bytes", "x", "dote"] {
            #expect(head([HTTPField(name, "a")]) == "HTTP/1.1 200 OK\r\n\(name): a\r\ndate: today\r\n\r\n")
        }
        #expect(head([HTTPField("date", "then")]) == "HTTP/1.1 200 OK\r\ndate: then\r\n\r\n")
    }
}
