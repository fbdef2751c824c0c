import CKernels

/// What `top -H` and debuggers call the calling thread.
package enum ThreadName {
    /// - Parameter name: of which the kernel keeps 15 bytes.
    package static func set(_ name: String) { apus_name_thread(name) }
}
