import Inference
import Scheduling
import Serving
import Telemetry

/// Step reports, turned into text.
extension Router {
    func workerReported(_ worker: WorkerID, _ report: StepReport) {
        let now = surroundings.now()
        let answer = scheduler.workerReported(worker, report, now: now)
        // Commands leave before text is made: the worker may wait for them.
        perform(answer.actions)
        // Entries are looked at where they are: copying one holds on to all its lists.
        let entries = report.entries.span
        for (place, choice) in answer.choices.enumerated() where place < entries.count {
            if let choice { deliver(entries[place], to: choice, now: now) }
        }
    }

    private func deliver(_ entry: StepEntry, to id: ChoiceID, now: Instant) {
        guard let request = requests[id.request], request.choices.indices.contains(id.index) else { return }
        let series = request.series
        count(entry, of: request, id.index, now)
        request.choices[id.index].advance(entry) { tell(request, $0) }
        guard let finish = request.choices[id.index].finish else { return }
        // The worker goes on after a stop string, which only we can see.
        if entry.finish == nil { perform(scheduler.choiceCompleted(id, now: now)) }
        series.finished(finish, tokenCount: request.choices[id.index].output.count)
        request.spans?.finished(id.index, tokenCount: request.choices[id.index].output.count, now: now)
        guard request.isFinished else { return }
        requests[id.request] = nil
        series.completed(request, at: now)
        log.ended(request, outcome: "completed", at: now)
        request.spans?.ended(request, outcome: "completed", now: now)
        tell(request, .finished(request.usage))
    }

    private func count(_ entry: StepEntry, of request: OpenRequest, _ index: Int, _ now: Instant) {
        let series = request.series
        if let cached = entry.cachedTokenCount {
            let prompt = index / request.request.choiceCount
            let promptCount = request.choices[index].prompt.count
            let found = max(0, min(cached, promptCount))
            series.cacheQueries.add(promptCount)
            series.cacheHits.add(found)
            if request.cachedTokens[prompt] == nil { request.cachedTokens[prompt] = found }
        }
        if !entry.pooled.isEmpty { series.textsRead.add() }
        guard !entry.tokens.isEmpty else { return }
        series.generationTokens.add(entry.tokens.count)
        request.tenant?.outputTokens.add(entry.tokens.count)
        if request.firstTokenAt == nil {
            request.firstTokenAt = now
            series.timeToFirstToken.observe(now.seconds(since: request.submittedAt), trace: request.spans?.traceID)
        }
        if let seconds = request.choices[index].tokensCame(at: now) {
            series.interToken.observe(
                seconds / Double(entry.tokens.count), count: entry.tokens.count, trace: request.spans?.traceID)
        }
        request.lastTokenAt = now
    }
}
