/// OpenAI's newer dialect. Answers are not stored: whoever asks for one later is told so.
enum ResponsesRoutes {
    static let table: [Route] = [
        Route("POST", "/v1/responses", .open) { Responses.answer($0) },
        Route("POST", "/v1/responses/{id}/cancel", .open) { Responses.refuseStored($0) },
        Route("GET", "/v1/responses/{id}/input_items", .open) { Responses.refuseStored($0) },
        Route("GET", "/v1/responses/{id}", .open) { Responses.refuseStored($0) },
        Route("DELETE", "/v1/responses/{id}", .open) { Responses.refuseStored($0) },
    ]
}

/// `POST /v1/responses`
enum Responses {
    static func answer(_ call: APICall) {
        call.withBody { (body, preparation) throws(APIError) in
            try PreparedResponse(FieldReader.body(body), preparation)
        } then: { prepared in
            ReplySession.start(call, prepared.generation, promptField: "input") {
                ResponseEncoder($0, prepared.echo)
            }
        }
    }

    static func refuseStored(_ call: APICall) {
        call.refuse(
            APIError(
                status: 404,
                message: "There is no response \"\(call.id.prefix(80))\": responses are not stored. "
                    + "Send the conversation as input.",
                type: "not_found_error", parameter: "id", code: "response_not_found"))
    }
}
