import TestSupport

@testable import HTTP

extension TestCertificates {
    func options(_ name: String, authority: String? = nil) -> TLSOptions {
        TLSOptions(
            certificateFile: path("\(name).pem"), keyFile: path("\(name).key"),
            authorityFile: authority.map { path("\($0).pem") })
    }
}
