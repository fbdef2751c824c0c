import Testing

@testable import Engine

@Suite struct MailboxTests {
    @Test func `a full box takes what is urgent, in its turn, and a closed one nothing`() {
        let box = Mailbox<Int>(capacity: 2)
        #expect(box.put(1) && box.put(2) && !box.put(3))
        #expect(box.put(4, isUrgent: true) && !box.put(5))
        #expect(box.take(waits: false) == [1, 2, 4])
        #expect(box.put(6))
        box.close()
        #expect(!box.put(7) && !box.put(8, isUrgent: true))
        #expect(box.take(waits: true) == nil)
    }
}
