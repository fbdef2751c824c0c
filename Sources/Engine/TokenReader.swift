import Grammar
import Inference
import Models

/// Reads the rows of a step on the threads that computed them: each slice by one thread, with that thread's scratch
/// memory. What comes out depends on the slice, its sequence and its rows alone.
final class TokenReader: RowReader {
    /// One for each thread.
    private var samplers: [Sampler]
    private let contextLength: Int

    /// What threads touch: the places of the slice that they read, and of their own sampler.
    // SAFETY: stands for the time of one `read(_:_:of:on:)`, which owns what it points to.
    private struct Places {
        let readings: UnsafeMutablePointer<SliceReading>
        let samplers: UnsafeMutablePointer<Sampler>
        let sequences: UnsafeMutablePointer<RunningSequence>
        let slices: UnsafePointer<StepSlice>
        let sequencePlaces: UnsafePointer<Int>
    }
    // SAFETY: allocated and initialized in `init`, freed in `deinit`; written while no thread reads rows.
    private let places: UnsafeMutablePointer<Places?>

    init(vocabularySize: Int, contextLength: Int, threadCount: Int) {
        self.contextLength = contextLength
        samplers = (0..<threadCount).map { _ in Sampler(vocabularySize: vocabularySize) }
        places = .allocate(capacity: 1)
        places.initialize(to: nil)
    }

    deinit { places.deallocate() }

    /// Runs one step of slices and reads its rows, but for slices that are held.
    /// - Parameters:
    ///   - readings: one for each slice.
    ///   - sequences: no two slices have the same.
    func read(
        _ readings: inout [SliceReading], _ plan: StepPlan, of sequences: UnsafeMutableBufferPointer<RunningSequence>,
        on runtime: any ModelRuntime
    ) -> StepRows {
        precondition(
            readings.count == plan.slices.count && samplers.count >= runtime.threadCount,
            "\(readings.count) readings of \(plan.slices.count) slices")
        return readings.withUnsafeMutableBufferPointer { readings in
            samplers.withUnsafeMutableBufferPointer { samplers in
                plan.slices.withUnsafeBufferPointer { slices in
                    plan.places.withUnsafeBufferPointer { sequencePlaces in
                        if let readings = readings.baseAddress, let samplers = samplers.baseAddress,
                            let sequences = sequences.baseAddress, let slices = slices.baseAddress,
                            let sequencePlaces = sequencePlaces.baseAddress
                        {
                            places.pointee = Places(
                                readings: readings, samplers: samplers, sequences: sequences, slices: slices,
                                sequencePlaces: sequencePlaces)
                        }
                        defer { places.pointee = nil }
                        return runtime.execute(plan.slices, for: self)
                    }
                }
            }
        }
    }

    func read(slice: Int, of rows: StepRows, thread: Int) {
        guard let places = places.pointee else { return }
        let reading = places.readings + slice
        guard !reading.pointee.isHeld else { return }
        let (mask, failure) = (reading.pointee.mask, reading.pointee.failure)
        reading.pointee.read(
            rows, places.slices[slice], &places.sequences[places.sequencePlaces[slice]], &places.samplers[thread],
            contextLength: contextLength
        ) { _ throws(SamplingError) in
            if let failure { throw failure }
            return mask
        }
    }

    /// Reads a slice that was held, on the engine's own thread.
    func read(
        held reading: inout SliceReading, _ slice: StepSlice, of rows: StepRows, _ sequence: inout RunningSequence,
        mask: (inout RunningSequence) throws(SamplingError) -> TokenMask?
    ) {
        reading.read(rows, slice, &sequence, &samplers[0], contextLength: contextLength, mask: mask)
    }
}
