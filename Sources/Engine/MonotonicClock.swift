import Glibc
package import Inference

/// The clock that the engine's thread lives by, and that ``EngineProgress`` is to be compared with.
package enum MonotonicClock {
    package static func now() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
    }
}
