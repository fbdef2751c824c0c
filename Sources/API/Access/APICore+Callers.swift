import HTTP
import Serving

/// Whose a request is, and what it takes of that one's limits.
extension APICore {
    /// Who asks for something of this role.
    /// - Parameter header: finds a request's header by its name.
    /// - Throws: 401 and 403; 400 for a tenant's name that is too long.
    func caller(for role: Route.Role, _ header: (String) -> String?) throws(APIError) -> Caller {
        guard let access else {
            guard role != .admin || isAdminPort || repository == nil else {
                throw APIError(
                    status: 403, message: "Without keys (--api-keys) this is for the admin port alone.",
                    type: "permission_error", code: "admin_port_only")
            }
            guard role != .admin || !Self.isOfWebPage(header) else {
                throw APIError(
                    status: 403, message: "Without keys (--api-keys) this is not for a web page to ask.",
                    type: "permission_error", code: "web_page_refused")
            }
            return .anyone(tenant: try tenant(header))
        }
        let isOpen = role == .probe || isAdminPort && role != .admin
        guard !isOpen else { return .anyone(tenant: "") }
        var caller = try access.caller(header)
        switch role {
        case .open: try caller.require(.inference)
        case .metrics: try caller.require(.metrics)
        case .admin: try caller.require(.admin)
        case .both, .probe: break
        }
        // What a tenant may ask for is what it may ask of models.
        if role != .open { caller.meter = nil }
        return caller
    }

    /// Whether a browser asks for a page, which may be anybody's. Apus has none: a page that says it comes from here has
    /// a name of its own that leads here. Source: Fetch, "Origin header"; Fetch Metadata, "Sec-Fetch-Site".
    private static func isOfWebPage(_ header: (String) -> String?) -> Bool {
        header("origin") != nil || header("sec-fetch-site").map { $0 != "none" } ?? false
    }

    /// The same, of a gRPC call.
    func caller(for role: Route.Role, _ metadata: [HTTPField]) throws(APIError) -> Caller {
        try caller(for: role) { name in metadata.first { $0.name == name }?.value }
    }

    /// Who asks, by the header that the operator trusts; empty where there is none.
    private func tenant(_ header: (String) -> String?) throws(APIError) -> String {
        guard let name = options.tenantHeader, let tenant = header(name) else { return "" }
        let limit = options.tenantByteCountMax
        guard tenant.utf8.count <= limit else {
            throw .invalid(
                name, code: "string_above_max_length",
                "The header \(name) may have \(limit) bytes at most, but has \(tenant.utf8.count).")
        }
        return tenant
    }

    /// Takes a request of its caller's allowance: all that is read of it, and all that comes of that, may cost time.
    func takeRequest(of caller: Caller) throws(APIError) {
        try take(of: caller) { (meter, now) throws(APIError) in try meter.takeRequest(now: now) }
    }

    /// Makes a request its caller's: in the caller's name, within the caller's limits, and with prefixes that only the
    /// caller's requests find in caches.
    func assign(_ request: inout GenerationRequest, to caller: Caller) throws(APIError) {
        let tokenCount = request.promptTokenCount
        try take(of: caller) { (meter, now) throws(APIError) in try meter.takeTokens(tokenCount, now: now) }
        guard !caller.tenant.isEmpty else { return }
        request.tenant = caller.tenant
        request.salt = salts.salt(request.salt, of: caller.tenant)
    }

    private func take(
        of caller: Caller, _ take: (TenantMeter, TenantMeter.Time) throws(APIError) -> Void
    ) throws(APIError) {
        guard let meter = caller.meter else { return }
        do throws(APIError) {
            try take(
                meter, TenantMeter.Time(steady: surroundings.steadySeconds(), unix: surroundings.unixSeconds()))
        } catch {
            overLimit(caller.tenant, code: error.code ?? "other")
            throw error
        }
    }

    /// Gives back what a request took that the service had no room for.
    func giveBack(_ request: GenerationRequest, of caller: Caller) {
        caller.meter?.giveBack(promptTokens: request.promptTokenCount)
    }

    /// Who hears of a caller's request.
    func receiver(_ receiver: any GenerationReceiver, of caller: Caller) -> any GenerationReceiver {
        caller.meter.map { MeteredReceiver(receiver, $0) } ?? receiver
    }
}
