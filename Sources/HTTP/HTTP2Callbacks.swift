import CNGHTTP2
import NIOCore

/// nghttp2's callbacks, one table for the whole process, and the sessions made with it.
///
// SAFETY: a session's user data is its HTTP2Session, unretained: the session frees nghttp2's before it goes itself. A
// stream's user data is its HTTP2Stream, unretained: HTTP2Session owns it until `on_stream_close` has set the pointer to
// null, or until nghttp2's session is freed. Pointers that the callbacks get are valid during the call and not kept.
enum HTTP2Callbacks {
    static func makeSession(_ owner: HTTP2Session, isServer: Bool, limits: HTTP2Limits) -> OpaquePointer? {
        var option: OpaquePointer?
        guard nghttp2_option_new(&option) == 0 else { return nil }
        defer { nghttp2_option_del(option) }
        nghttp2_option_set_no_auto_window_update(option, 1)
        nghttp2_option_set_peer_max_concurrent_streams(option, 100)
        nghttp2_option_set_max_continuations(option, limits.continuationsMax)
        nghttp2_option_set_max_settings(option, limits.settingsEntriesMax)
        nghttp2_option_set_max_outbound_ack(option, limits.outboundAcksMax)
        nghttp2_option_set_no_closed_streams(option, 1)
        nghttp2_option_set_stream_reset_rate_limit(
            option, UInt64(max(0, limits.peerResets.burst)), UInt64(max(0, limits.peerResets.perSecond)))
        var session: OpaquePointer?
        let userData = Unmanaged.passUnretained(owner).toOpaque()
        let answer =
            isServer
            ? nghttp2_session_server_new2(&session, table, userData, option)
            : nghttp2_session_client_new2(&session, table, userData, option)
        return answer == 0 ? session : nil
    }

    static func owner(_ userData: UnsafeMutableRawPointer?) -> HTTP2Session? {
        userData.map { Unmanaged<HTTP2Session>.fromOpaque($0).takeUnretainedValue() }
    }

    static func stream(_ session: OpaquePointer?, _ id: Int32) -> HTTP2Stream? {
        nghttp2_session_get_stream_user_data(session, id).map {
            Unmanaged<HTTP2Stream>.fromOpaque($0).takeUnretainedValue()
        }
    }

    static func provider(_ stream: HTTP2Stream) -> nghttp2_data_provider {
        var provider = nghttp2_data_provider()
        provider.source.ptr = Unmanaged.passUnretained(stream).toOpaque()
        provider.read_callback = { _, _, room, length, flags, source, userData in
            guard let pointer = source?.pointee.ptr, let flags else {
                return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
            }
            let stream = Unmanaged<HTTP2Stream>.fromOpaque(pointer).takeUnretainedValue()
            HTTP2Callbacks.owner(userData)?.dataFrameSent()
            return stream.fill(UnsafeMutableRawBufferPointer(start: room, count: length), &flags.pointee)
        }
        return provider
    }

    // SENDABLE: filled once, only read afterwards.
    private nonisolated(unsafe) static let table: OpaquePointer? = {
        var table: OpaquePointer?
        guard nghttp2_session_callbacks_new(&table) == 0 else { return nil }
        setReceiving(table)
        setEnding(table)
        return table
    }()

    private static func setReceiving(_ table: OpaquePointer?) {
        nghttp2_session_callbacks_set_on_begin_frame_callback(table) { _, header, userData in
            if let header { HTTP2Callbacks.owner(userData)?.frameBegan(header.pointee) }
            return 0
        }
        nghttp2_session_callbacks_set_on_begin_headers_callback(table) { session, frame, userData in
            guard let frame, frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST else { return 0 }
            let id = frame.pointee.hd.stream_id
            guard let owner = HTTP2Callbacks.owner(userData), let stream = owner.makeStream(id: id) else {
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
            }
            owner.adopt(stream, id: id)
            nghttp2_session_set_stream_user_data(session, id, Unmanaged.passUnretained(stream).toOpaque())
            return 0
        }
        nghttp2_session_callbacks_set_on_header_callback(table) {
            session, frame, name, nameLength, value, valueLength, _, _ in
            guard let frame, let stream = HTTP2Callbacks.stream(session, frame.pointee.hd.stream_id) else { return 0 }
            stream.received(
                name: UnsafeBufferPointer(start: name, count: nameLength),
                value: UnsafeBufferPointer(start: value, count: valueLength))
            return stream.isHeadBomb ? NGHTTP2_ERR_CALLBACK_FAILURE.rawValue : 0
        }
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table) { session, _, id, bytes, length, _ in
            guard let stream = HTTP2Callbacks.stream(session, id) else {
                nghttp2_session_consume_connection(session, length)
                return 0
            }
            stream.dataArrived(ByteBuffer(bytes: UnsafeRawBufferPointer(start: bytes, count: length)))
            return 0
        }
        nghttp2_session_callbacks_set_on_frame_recv_callback(table) { session, frame, userData in
            guard let frame else { return 0 }
            HTTP2Callbacks.frameReceived(frame.pointee, session, HTTP2Callbacks.owner(userData))
            return 0
        }
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(table) { _, _, _, userData in
            HTTP2Callbacks.owner(userData)?.invalidFrameArrived()
            return 0
        }
    }

    private static func frameReceived(_ frame: nghttp2_frame, _ session: OpaquePointer?, _ owner: HTTP2Session?) {
        let header = frame.hd
        switch UInt32(header.type) {
        case NGHTTP2_HEADERS.rawValue:
            stream(session, header.stream_id)?.headArrived()
        case NGHTTP2_DATA.rawValue:
            if header.length > 0, header.length == frame.data.padlen { owner?.paddingArrived() }
        case NGHTTP2_GOAWAY.rawValue:
            owner?.goAwayArrived()
            return
        default: return
        }
        guard header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0 else { return }
        stream(session, header.stream_id)?.endArrived()
    }

    private static func setEnding(_ table: OpaquePointer?) {
        nghttp2_session_callbacks_set_on_frame_send_callback(table) { session, frame, userData in
            guard let frame else { return 0 }
            let header = frame.pointee.hd
            if UInt32(header.type) == NGHTTP2_GOAWAY.rawValue {
                HTTP2Callbacks.owner(userData)?.goAwaySent(code: frame.pointee.goaway.error_code)
            } else if UInt32(header.type) == NGHTTP2_RST_STREAM.rawValue {
                HTTP2Callbacks.owner(userData)?.resetSent(code: frame.pointee.rst_stream.error_code)
            } else if header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0, header.stream_id != 0 {
                HTTP2Callbacks.stream(session, header.stream_id)?.endSent()
            }
            return 0
        }
        nghttp2_session_callbacks_set_on_frame_not_send_callback(table) { session, frame, _, _ in
            guard let frame, UInt32(frame.pointee.hd.type) == NGHTTP2_HEADERS.rawValue else { return 0 }
            HTTP2Callbacks.stream(session, frame.pointee.hd.stream_id)?.headNotSent()
            return 0
        }
        nghttp2_session_callbacks_set_on_stream_close_callback(table) { _, id, code, userData in
            HTTP2Callbacks.owner(userData)?.streamClosed(id, code: code)
            return 0
        }
    }
}
