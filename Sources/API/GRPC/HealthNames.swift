package import HTTP
package import Serving

extension GRPCHealth {
    /// Tells the state of the server ("" and its inference service) and of each model, by its name.
    /// - Parameter repository: whose models are known by name, loaded or not.
    package func update(from service: any GenerationService, _ repository: (any ModelRepository)?) {
        setServing("", service.isReady)
        setServing(GRPCInferenceService.name, service.isReady)
        for model in service.models { setServing(model.name, service.isReady(model.name)) }
        for model in repository?.models ?? [] { setServing(model.name, service.isReady(model.name)) }
    }
}
