import API
import HTTP

/// How a router's ports are.
struct ListenerSettings: Sendable {
    var http = APIHandler.listenerOptions
    var grpc = GRPCInferenceService.listenerOptions
    var admin = HTTPListenerOptions()

    init(_ front: FrontSettings, _ descriptors: DescriptorBudget) {
        http.addressShare = front.connectionShare
        grpc.addressShare = front.connectionShare
        http = http.limited(to: descriptors.largePortMax)
        grpc = grpc.limited(to: descriptors.largePortMax)
        admin = admin.limited(to: descriptors.smallPortMax)
        // A few of the largest bodies may come side by side.
        http.gatheredByteCountMax = max(http.gatheredByteCountMax, 4 * front.api.bodyByteCountMax)
    }

    /// Fewer connections than there would be with more descriptors.
    var areLimited: Bool { http.connectionCountMax < HTTPListenerOptions().connectionCountMax }
}
