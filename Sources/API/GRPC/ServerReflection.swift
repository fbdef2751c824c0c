package import HTTP
import InferenceProtocol
import NIOCore
import SwiftProtobuf

/// The service `grpc.reflection.v1.ServerReflection`, and its first version v1alpha, which differs in name only: tools such
/// as grpcurl learn from it what can be called, without .proto files. Source: grpc doc/server-reflection.md.
package final class ServerReflection {
    /// Files by name, as descriptors.
    private var files: [String: Google_Protobuf_FileDescriptorProto] = [:]
    /// The file that a service, method, message or enum is in, by its full name.
    private var fileOfSymbol: [String: String] = [:]
    private var messages: Set<String> = []
    private var services: [String] = []

    /// Services are those of the descriptors that were generated with their messages.
    package init() {
        let digits = publicDescriptorSet.utf8.compactMap(Hex.value)
        let bytes = stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        guard let set = try? Google_Protobuf_FileDescriptorSet(serializedBytes: bytes) else { return }
        for file in set.file { add(file) }
        services.sort()
    }

    private func add(_ file: Google_Protobuf_FileDescriptorProto) {
        files[file.name] = file
        for service in file.service {
            let name = "\(file.package).\(service.name)"
            services.append(name)
            fileOfSymbol[name] = file.name
            for method in service.method { fileOfSymbol["\(name).\(method.name)"] = file.name }
        }
        for message in file.messageType { add(message, in: file.package, of: file.name) }
        for item in file.enumType { fileOfSymbol["\(file.package).\(item.name)"] = file.name }
    }

    private func add(_ message: Google_Protobuf_DescriptorProto, in scope: String, of file: String) {
        let name = "\(scope).\(message.name)"
        fileOfSymbol[name] = file
        messages.insert(name)
        for nested in message.nestedType { add(nested, in: name, of: file) }
        for item in message.enumType { fileOfSymbol["\(name).\(item.name)"] = file }
    }

    /// Adds the method of both versions to a dispatcher.
    package func register(in dispatcher: GRPCDispatcher) {
        for version in ["v1", "v1alpha"] {
            dispatcher.handle(
                "/grpc.reflection.\(version).ServerReflection/ServerReflectionInfo",
                limits: .open(callCountMax: OpenCallLimits.reflectionCallCountMax)
            ) { call in self.serve(call) }
        }
    }

    private func serve(_ call: GRPCServerCall) {
        call.onMessage = { [unowned call] bytes in
            do throws(GRPCStatus) {
                call.send(GRPCMessages.encode(self.answer(try GRPCMessages.decode(bytes))))
            } catch {
                call.finish(error)
            }
        }
        call.onEnd = { [unowned call] in call.finish(GRPCStatus(.ok)) }
        call.begin()
    }

    private func answer(_ request: WireServerReflectionRequest) -> WireServerReflectionResponse {
        var response = WireServerReflectionResponse()
        response.validHost = request.host
        response.originalRequest = request
        switch request.messageRequest {
        case .fileByFilename(let name):
            response.messageResponse = file(name) ?? Self.notFound("file \(name.prefix(200))")
        case .fileContainingSymbol(let symbol):
            response.messageResponse =
                fileOfSymbol[symbol].flatMap(file) ?? Self.notFound("symbol \(symbol.prefix(200))")
        case .fileContainingExtension(let asked):
            response.messageResponse = Self.notFound(
                "extension \(asked.extensionNumber) of \(asked.containingType.prefix(200))")
        case .allExtensionNumbersOfType(let type):
            if messages.contains(type) {
                var none = WireExtensionNumberResponse()
                none.baseTypeName = type
                response.messageResponse = .allExtensionNumbersResponse(none)
            } else {
                response.messageResponse = Self.notFound("message \(type.prefix(200))")
            }
        case .listServices:
            var list = WireListServiceResponse()
            list.service = services.map { name in
                var service = WireServiceResponse()
                service.name = name
                return service
            }
            response.messageResponse = .listServicesResponse(list)
        case nil:
            response.messageResponse = Self.error(.invalidArgument, "The request asks for nothing.")
        }
        return response
    }

    private func file(_ name: String) -> WireServerReflectionResponse.OneOf_MessageResponse? {
        guard let file = files[name] else { return nil }
        var found = WireFileDescriptorResponse()
        found.fileDescriptorProto = [GRPCMessages.data(GRPCMessages.encode(file))]
        return .fileDescriptorResponse(found)
    }

    private static func notFound(_ what: String) -> WireServerReflectionResponse.OneOf_MessageResponse {
        error(.notFound, "There is no \(what).")
    }

    private static func error(
        _ code: GRPCStatusCode, _ message: String
    ) -> WireServerReflectionResponse.OneOf_MessageResponse {
        var error = WireErrorResponse()
        error.errorCode = Int32(code.rawValue)
        error.errorMessage = message
        return .errorResponse(error)
    }
}
