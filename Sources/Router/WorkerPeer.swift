import Inference
import Text

/// One address where a worker is or should be, and the link to it.
final class WorkerPeer {
    /// How far the link has come. `id` names the worker that is there or will be; each loss makes a new one.
    enum State {
        /// Can become: serving, idle.
        case dialling
        /// The scheduler knows it. Can become: dialling.
        case serving(WorkerDescription, Tokenizer)
        /// Linked, but its tokens are not those of the model listed under its name. Can become: serving, dialling.
        case idle(WorkerDescription, Tokenizer)
    }

    let address: WorkerAddress
    let link: any WorkerLink
    var id: WorkerID
    var state = State.dialling
    /// While it serves.
    var series: WorkerSeries?
    /// Those that expect a worker there.
    var discoveries: Set<ObjectIdentifier> = []
    /// False: once its link is lost it is forgotten.
    var isExpected: Bool { !discoveries.isEmpty }

    /// While it serves.
    var numericsID: String? { if case .serving(let description, _) = state { description.numericsID } else { nil } }

    init(_ address: WorkerAddress, _ link: any WorkerLink, id: WorkerID) {
        self.address = address
        self.link = link
        self.id = id
    }
}
