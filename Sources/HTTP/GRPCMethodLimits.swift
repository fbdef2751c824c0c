package import NIOCore

/// What callers of one method may ask of a listener.
package struct GRPCMethodLimits: Sendable {
    /// Bytes of one message.
    package var messageByteCountMax: Int
    /// Calls of the method that one connection has open at once.
    package var callCountMax = Int.max
    /// Bytes of answers that may be unsent when a further message comes; with more the call ends.
    package var unsentByteCountMax = Int.max

    package init(messageByteCountMax: Int) {
        self.messageByteCountMax = messageByteCountMax
    }

    /// Of a method that needs no key.
    package static func open(
        messageByteCountMax: Int = OpenCallLimits.messageByteCountMax, callCountMax: Int = OpenCallLimits.callCountMax
    ) -> GRPCMethodLimits {
        var limits = GRPCMethodLimits(messageByteCountMax: messageByteCountMax)
        limits.callCountMax = callCountMax
        limits.unsentByteCountMax = OpenCallLimits.unsentByteCountMax
        return limits
    }
}

/// Of health, reflection, the scaler and the probes of the inference service, which whoever reaches the port may call.
package enum OpenCallLimits {
    /// Bytes of a message; the longest honest one has the metadata of a KEDA trigger.
    package static let messageByteCountMax = 64 << 10
    /// The same of a question for health, which has the name of a service or a model.
    package static let healthByteCountMax = 1 << 10
    /// Calls of one method that a connection has open at once. KEDA has a stream for each scaled object.
    package static let callCountMax = 64
    /// The same of reflection, whose answers are hundreds of times as long as its questions.
    package static let reflectionCallCountMax = 8
    /// Bytes of answers that may wait for a slow reader when it asks again; with more its call ends.
    package static let unsentByteCountMax = 256 << 10
    /// Of the whole connection, with all calls: a client that does not answer pings either is gone.
    package static let silence = TimeAmount.seconds(30)
}
