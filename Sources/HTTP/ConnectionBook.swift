import NIOCore
import Synchronization

/// A listener's connections over all its event loops, and whether there is room for one more.
///
/// Until half of its places are taken anyone may have them. Then an address that has its share gets no more, so that one
/// client cannot lock out all others; and those who share an address, behind a proxy, have at least half.
final class ConnectionBook: Sendable {
    private struct State {
        var openCount = 0
        var countOf: [ClientNetwork: Int] = [:]
    }

    private let state = Mutex(State())
    private let countMax: Int
    private let countPerAddressMax: Int

    init(_ options: HTTPListenerOptions) {
        countMax = options.connectionCountMax
        let share = Int((Double(countMax) * min(1, max(0, options.addressShare))).rounded(.down))
        countPerAddressMax = max(share, options.addressConnectionCountMin)
    }

    var count: Int { state.withLock { $0.openCount } }

    /// - Returns: whether the connection may stay; if not, there is nothing to `leave`.
    func enter(_ address: SocketAddress?) -> Bool {
        let network = ClientNetwork(address)
        return state.withLock { state in
            guard state.openCount < countMax else { return false }
            if let network {
                let count = state.countOf[network, default: 0]
                guard state.openCount < countMax / 2 || count < countPerAddressMax else { return false }
                state.countOf[network] = count + 1
            }
            state.openCount += 1
            return true
        }
    }

    func leave(_ address: SocketAddress?) {
        let network = ClientNetwork(address)
        state.withLock { state in
            state.openCount -= 1
            guard let network, let count = state.countOf[network] else { return }
            state.countOf[network] = count > 1 ? count - 1 : nil
        }
    }
}
