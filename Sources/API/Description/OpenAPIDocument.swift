import JSON
import NIOCore
import Serving

/// `GET /openapi.json`: every route of the public port as OpenAPI 3.1 describes it, made of the tables of routes,
/// descriptions and schemas.
enum OpenAPIDocument {
    static let table: [Route] = [
        Route("GET", "/openapi.json", .open) { call in
            let options = call.core.options
            let body = call.core.openAPI.body(models: call.core.service.models.map(\.name)) { models in
                var body = ByteBuffer()
                body.writeJSON(document(of: RouteTable.open(options), models: models, options.version))
                return body
            }
            call.respond(body: body)
        }
    ]

    /// The document as it was last asked for: it is long, and changes with the names of models alone.
    struct Latest {
        private var made: (models: [String], body: ByteBuffer)?

        mutating func body(models: [String], _ make: ([String]) -> ByteBuffer) -> ByteBuffer {
            if let made, made.models == models { return made.body }
            let body = make(models)
            made = (models, body)
            return body
        }
    }

    /// - Parameter models: those that are served now.
    static func document(of routes: [Route], models: [String], _ version: String) -> JSONValue {
        let schemas = [SchemaTable.modelName(models)] + SchemaTable.all
        return .of([
            "openapi": .string("3.1.0"),
            "info": .of([
                "title": .string("Apus"), "version": .string(version),
                "summary": .string("Serves language models in the dialects of OpenAI, Anthropic, Ollama and KServe."),
            ]),
            "paths": paths(routes),
            "components": .of([
                "schemas": .object(JSONObject(members: schemas.map { .init(name: $0.name, value: $0.schema) }))
            ]),
        ])
    }

    /// Operations by path, methods of a path together.
    private static func paths(_ routes: [Route]) -> JSONValue {
        var paths: [JSONObject.Member] = []
        for route in routes {
            let found = DescriptionTable.all.first { $0.method == route.method && $0.pattern == route.pattern }
            guard let found else { continue }
            let operation = JSONObject.Member(
                name: route.method.lowercased(), value: operation(found, route.role))
            if let index = paths.firstIndex(where: { $0.name == route.pattern }),
                case .object(var operations) = paths[index].value
            {
                operations.members.append(operation)
                paths[index].value = .object(operations)
            } else {
                paths.append(.init(name: route.pattern, value: .object(JSONObject(members: [operation]))))
            }
        }
        return .object(JSONObject(members: paths))
    }

    private static func operation(_ route: RouteDescription, _ role: Route.Role) -> JSONValue {
        var members: [JSONObject.Member] = [.init(name: "summary", value: .string(route.summary))]
        if route.pattern.contains("{id}") {
            let parameter = JSONValue.of([
                "name": .string("id"), "in": .string("path"), "required": .bool(true),
                "schema": route.pattern.contains("models/{id}") ? SchemaTable.model : Schema.name,
            ])
            members.append(.init(name: "parameters", value: .array([parameter])))
        }
        if let body = route.body {
            let request = JSONValue.of(["required": .bool(route.isBodyRequired), "content": content(body)])
            members.append(.init(name: "requestBody", value: request))
        }
        members.append(.init(name: "responses", value: responses(route, role)))
        return .object(JSONObject(members: members))
    }

    private static func responses(_ route: RouteDescription, _ role: Route.Role) -> JSONValue {
        let shape = ErrorShape(path: route.pattern, isAnthropic: false)
        let error = RouteDescription.Content.json(shape.schema)
        var responses: [(Int, String, [RouteDescription.Content])] = []
        if !route.success.isEmpty { responses.append((200, "The answer.", route.success)) }
        for status in route.failures + keyFailures(role) {
            // What is no request yet has no dialect.
            let isAny = status == 400 && shape != .openAI
            let content = isAny ? .json(shape.schema, ErrorShape.openAI.schema) : error
            responses.append((status, reason(status), [content]))
        }
        if let unavailable = route.unavailable {
            responses.removeAll { $0.0 == 503 }
            responses.append((503, "No.", [unavailable] + (route.failures.contains(503) ? [error] : [])))
        }
        return .object(
            JSONObject(
                members: responses.sorted { $0.0 < $1.0 }.map { status, why, contents in
                    .init(
                        name: String(status), value: .of(["description": .string(why), "content": content(contents)]))
                }))
    }

    /// What a key that is missing, unknown or another's is answered with, where keys are asked for.
    private static func keyFailures(_ role: Route.Role) -> [Int] {
        switch role {
        case .probe: []
        case .both: [401]
        case .open, .metrics, .admin: [401, 403]
        }
    }

    private static func content(_ contents: [RouteDescription.Content]) -> JSONValue {
        .object(
            JSONObject(
                members: contents.map { content in
                    let schemas = content.schemas.map { Schema.named($0) }
                    guard let first = schemas.first else { return .init(name: content.type, value: .of([:])) }
                    let schema = schemas.count == 1 ? first : .of(["anyOf": .array(schemas)])
                    return .init(name: content.type, value: .of(["schema": schema]))
                }))
    }

    private static func reason(_ status: Int) -> String {
        switch status {
        case 400: "The request is not valid, or asks for what is not served; the message names the field."
        case 401: "A key is asked for."
        case 403: "The key lacks a role."
        case 404: "There is nothing of that name."
        case 408: "The body did not arrive in full."
        case 409: "No worker computes as those did that made the stream's first part."
        case 410: "The stream broke off too long ago."
        case 413: "The body is too large."
        case 415: "The body is not uncompressed JSON."
        case 429: "The queue is full; Retry-After says how long."
        case 501: "Not done here; the message says why."
        case 503: "No worker can take it now."
        default: "Something failed here."
        }
    }
}

extension ErrorShape {
    /// Its name in ``SchemaTable``.
    var schema: String {
        switch self {
        case .openAI: "Error"
        case .sentence: "ErrorSentence"
        case .anthropic: "TypedError"
        }
    }
}
