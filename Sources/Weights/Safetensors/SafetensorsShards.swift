import JSON

/// The weights of a folder as one file of tensors: model.safetensors, or the shards that model.safetensors.index.json
/// names. All are mapped, none is copied.
package final class SafetensorsShards: TensorFile {
    static let wholeName = "model.safetensors"
    static let indexName = "model.safetensors.index.json"
    /// The largest models in use have about 200.
    static let shardMax = 4096

    /// In the order of their names.
    package let files: [SafetensorsFile]
    /// By the name of a tensor: its file's index.
    private let places: [String: Int]

    /// Maps the files and checks their headers and the index against each other; costs nothing per byte of tensor data.
    package init(_ folder: ModelFolder) throws(SafetensorsError) {
        guard !folder.has(Self.wholeName) else {
            let file = try SafetensorsFile(path: folder.path(of: Self.wholeName))
            files = [file]
            places = Dictionary(uniqueKeysWithValues: file.names.map { ($0, 0) })
            return
        }
        let index = try Self.index(folder)
        let names = Set(index.values).sorted()
        guard names.count <= Self.shardMax else {
            throw Self.bad(folder, "it names \(names.count) files, and at most \(Self.shardMax) are read")
        }
        var files: [SafetensorsFile] = []
        var places: [String: Int] = [:]
        for (place, name) in names.enumerated() {
            let file = try SafetensorsFile(path: folder.path(of: name))
            for tensor in file.names {
                guard index[tensor] == name else {
                    throw Self.bad(
                        folder, "the tensor \(tensor.quoted) lies in \(name.quoted), where the index does not have it")
                }
                places[tensor] = place
            }
            files.append(file)
        }
        if let tensor = index.keys.sorted().first(where: { places[$0] == nil }), let name = index[tensor] {
            throw Self.bad(folder, "\(name.quoted) lacks the tensor \(tensor.quoted)")
        }
        (self.files, self.places) = (files, places)
    }

    /// Which file each tensor is in.
    private static func index(_ folder: ModelFolder) throws(SafetensorsError) -> [String: String] {
        let value: JSONValue?
        do throws(ModelFolderError) { value = try folder.json(indexName) } catch { throw bad(folder, error.reason) }
        guard let value else { throw bad(folder, "there is no such file, and no \(wholeName) beside it") }
        guard case .object(let fields) = value, case .object(let map)? = fields["weight_map"], !map.members.isEmpty
        else { throw bad(folder, "it has no weight_map of tensors and files") }
        var index: [String: String] = [:]
        for member in map.members {
            guard case .string(let name) = member.value else {
                throw bad(folder, "the file of the tensor \(member.name.quoted) is \(member.value.kind)")
            }
            // Only files of this folder: an index that comes with a model may not make others be read.
            guard name.hasSuffix(".safetensors"), !name.hasPrefix("."), !name.utf8.contains(UInt8(ascii: "/")),
                !name.utf8.contains(0)
            else {
                throw bad(
                    folder,
                    "the tensor \(member.name.quoted) lies in \(name.quoted), which is no name of a *.safetensors "
                        + "file of this folder")
            }
            index[member.name] = name
        }
        return index
    }

    /// - Parameter reason: half a sentence.
    private static func bad(_ folder: ModelFolder, _ reason: String) -> SafetensorsError {
        SafetensorsError(path: folder.path(of: indexName), fault: .badIndex(reason: reason))
    }

    /// All names, of types that Apus reads and others.
    package var names: [String] { Array(places.keys) }

    package func tensor(named name: String) -> GGUFTensor? { places[name].flatMap { files[$0].tensor(named: name) } }

    /// The type of a tensor that Apus does not read, in the file's own word.
    package func otherType(of name: String) -> String? { places[name].flatMap { files[$0].otherTypes[name] } }

    package func bytes(of tensor: GGUFTensor) -> UnsafeRawBufferPointer {
        guard let place = places[tensor.name] else {
            preconditionFailure("the tensor \(tensor.name) is of another folder")
        }
        return files[place].bytes(of: tensor)
    }

    /// Whether `path` leads to one of these very files, by whatever name.
    package func isFile(at path: String) -> Bool { files.contains { $0.isFile(at: path) } }

    package func contentDigest() -> ContentDigest {
        guard files.count > 1 else { return files[0].contentDigest() }
        let digests = files.map { $0.contentDigest().description }.joined(separator: " ")
        return Array(digests.utf8).withUnsafeBytes { ContentDigest(of: $0) }
    }

    package func marks() -> [FileMark] { files.flatMap { $0.marks() } }
}
