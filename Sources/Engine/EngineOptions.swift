package import Inference
package import Models

/// What the operator decides about an engine; the rest follows from the model.
package struct EngineOptions: Equatable, Sendable {
    /// Name under which the model is served; nil takes the model's own.
    package var servedName: String?
    /// Distinguishes a restarted process from the one before.
    package var epoch: UInt64
    /// Of the tokenizer and chat template that go with the model: routers are told.
    package var tokenizerDigest: UInt64?
    /// Sequences that may run at once.
    package var slotCount: Int
    /// Tokens a step computes, prefill and decode together. Decode tokens are never held back by it, and prefill
    /// advances by at least one token a step. 256: a 64-row tile is at full rate already, and a step of 256 tokens of
    /// a small model still ends soon enough for those who wait for their next token.
    package var stepTokenBudget: Int
    /// Seconds a step should take while sequences decode: prompts beside them are cut to keep near it.
    package var stepSecondsTarget: Double
    /// Part of a step's time that prompts get while sequences decode, below 1. Half doubles the time between a running
    /// sequence's tokens; a little less keeps it below while costs are learned.
    package var prefillShare: Double
    /// Whether full pages are kept for later sequences with the same beginning.
    package var prefixCacheEnabled: Bool
    /// Whether tokens that the sequence itself suggests are computed ahead and kept where they prove right.
    package var speculationEnabled: Bool

    package init(
        servedName: String? = nil, epoch: UInt64 = 0, tokenizerDigest: UInt64? = nil, slotCount: Int = 32,
        stepTokenBudget: Int = 256, stepSecondsTarget: Double = 0.08, prefillShare: Double = 0.45,
        prefixCacheEnabled: Bool = true, speculationEnabled: Bool = true
    ) {
        self.servedName = servedName
        self.epoch = epoch
        self.tokenizerDigest = tokenizerDigest
        self.slotCount = slotCount
        self.stepTokenBudget = stepTokenBudget
        self.stepSecondsTarget = stepSecondsTarget
        self.prefillShare = prefillShare
        self.prefixCacheEnabled = prefixCacheEnabled
        self.speculationEnabled = speculationEnabled
    }

    /// The same within what the model can do: one step must hold a token of every slot and one of prefill.
    package func fitted(to model: ModelDescription) -> EngineOptions {
        var fitted = self
        let stepTokenMax = max(1, model.stepTokenMax)
        fitted.slotCount = min(max(1, slotCount), max(1, stepTokenMax - 1))
        fitted.stepTokenBudget = min(max(1, stepTokenBudget), stepTokenMax)
        return fitted
    }
}

extension WorkerDescription {
    /// A whole worker, of which no router has a share yet.
    package init(of model: ModelDescription, _ options: EngineOptions, signSeconds: Double?) {
        self.init(
            model: options.servedName ?? model.name, numericsID: model.numericsID, epoch: options.epoch,
            slotCount: options.slotCount, pageCount: model.pageCount, pageTokenCount: model.pageTokenCount,
            contextLength: model.contextLength, vocabularySize: model.vocabularySize,
            stepTokenBudget: options.stepTokenBudget, pooledOutput: model.pooledOutput, signSeconds: signSeconds,
            tokenizerDigest: options.tokenizerDigest)
    }
}

/// An event and the router it is for.
package typealias RoutedEvent = (router: Int, event: WorkerEvent)
