import Glibc
package import Inference
package import NIOCore

/// Time as a router sees it, so that tests can choose it.
package struct RouterSurroundings {
    /// Monotonic.
    package var now: () -> Instant
    /// Seconds since 1970.
    package var unixSeconds: () -> Int64

    package init(now: @escaping () -> Instant, unixSeconds: @escaping () -> Int64) {
        self.now = now
        self.unixSeconds = unixSeconds
    }

    /// The loop's own clock for durations, the system's for dates.
    package static func system(_ eventLoop: any EventLoop) -> RouterSurroundings {
        RouterSurroundings(
            now: { Instant(nanoseconds: Int64(clamping: eventLoop.now.uptimeNanoseconds)) },
            unixSeconds: { Int64(time(nil)) })
    }
}
