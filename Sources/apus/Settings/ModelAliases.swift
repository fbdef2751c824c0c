import API
import Configuration

/// Names that stand for models, as a router's settings list them.
enum ModelAliases {
    static func read(_ settings: Settings, _ flags: ServingFlags) throws -> [ModelAlias] {
        let entries = try ModelAliasList.read(settings.value(RouterKeys.modelAlias, flag: flags.modelAlias))
        return Dictionary(grouping: entries, by: \.name).sorted { $0.key < $1.key }.map { name, entries in
            ModelAlias(name: name, targets: entries.map { .init(model: $0.model, weight: $0.weight) })
        }
    }
}

/// Models that get copies of others' requests, as a router's settings list them.
enum ModelShadows {
    static func read(_ settings: Settings, _ flags: ServingFlags) throws -> [ModelShadow] {
        try ModelShadowList.read(settings.value(RouterKeys.modelShadow, flag: flags.modelShadow)).map {
            ModelShadow(model: $0.model, shadow: $0.shadow, percent: $0.percent)
        }
    }
}
