import Inference
import Scheduling

/// Worker processes and the links to them.
///
/// A link is a TCP connection: what is sent arrives in order and once, or the link breaks. Behind a partition it waits;
/// a process that stands still answers no ping.
extension SimulatedCluster {
    mutating func handleMachine(_ event: ClusterEvent) {
        switch event {
        case .processStarted(let machine): startProcess(machine)
        case .thawed(let machine, let process): thaw(machine, process)
        case .connected(let machine, let process, let link):
            tell(.register(link: link), machine, process, event)
        case .disconnected(let machine, let process, let link):
            tell(.unregister(link: link), machine, process, event)
        case .commanded(let machine, let process, let link, let command):
            tell(.command(command, link: link), machine, process, event)
        case .stepEnded(let machine, let process): endStep(machine, process, event)
        case .died(let machine, let process, let poison):
            guard machines[machine].process == process else { return }
            poisonDeaths[poison, default: 0] += 1
            kill(machine)
        default: break
        }
    }

    // MARK: - Processes

    private mutating func startProcess(_ index: Int) {
        guard machines[index].worker == nil else { return }
        machines[index].worker = SimulatedWorker(
            machines[index].description, cost: plan.cost, draftRate: plan.draftRate)
    }

    /// The process is gone at once, and comes back after a while.
    mutating func kill(_ index: Int) {
        guard machines[index].worker != nil else { return }
        endProcess(index)
        if machines[index].isConnected {
            // The peer's system says so, before or after what was on its way has been read; or the machine is off.
            let link = machines[index].link
            switch faultRandom.below(3) {
            case 0: queue.schedule(.linkLost(machine: index, link: link), at: after(networkDelay(index)))
            case 1: queue.schedule(.linkLost(machine: index, link: link), at: arrival(atRouterFrom: index))
            default: queue.schedule(.linkLost(machine: index, link: link), at: after(plan.pingSeconds))
            }
        }
        queue.schedule(.processStarted(machine: index), at: after(faultRandom.uniform(0.1...2)))
    }

    private mutating func endProcess(_ index: Int) {
        machines[index].worker = nil
        machines[index].process += 1
        machines[index].isComputing = false
        machines[index].frozenUntil = nil
        machines[index].hungUntil = nil
        machines[index].slowUntil = nil
        machines[index].held.removeAll()
    }

    private mutating func thaw(_ index: Int, _ process: Int) {
        guard machines[index].process == process, !machines[index].isFrozen(at: now) else { return }
        machines[index].frozenUntil = nil
        let held = machines[index].held
        machines[index].held.removeAll()
        for event in held { handleMachine(event) }
    }

    private mutating func tell(
        _ message: SimulatedWorker.Message, _ index: Int, _ process: Int, _ event: ClusterEvent
    ) {
        guard machines[index].process == process, machines[index].worker != nil else { return }
        guard !machines[index].isFrozen(at: now) else {
            machines[index].held.append(event)
            return
        }
        machines[index].worker?.receive(message)
        beginStep(index)
    }

    mutating func beginStep(_ index: Int) {
        guard !machines[index].isComputing, var worker = machines[index].worker else { return }
        let step = worker.begin(now: now, slowness: machines[index].slowness(at: now))
        let process = machines[index].process
        switch step {
        case .idle:
            let events = worker.takeEvents()
            machines[index].worker = worker
            say(events, from: index)
            leaveWhenDrained(index)
        case .computing(let seconds):
            machines[index].worker = worker
            machines[index].isComputing = true
            queue.schedule(.stepEnded(machine: index, process: process), at: after(seconds))
        case .dying(let seconds, let poison):
            machines[index].worker = worker
            machines[index].isComputing = true
            queue.schedule(.died(machine: index, process: process, of: poison), at: after(seconds))
        }
    }

    private mutating func endStep(_ index: Int, _ process: Int, _ event: ClusterEvent) {
        guard machines[index].process == process else { return }
        guard !machines[index].isFrozen(at: now) else {
            machines[index].held.append(event)
            return
        }
        if machines[index].isHung(at: now), let until = machines[index].hungUntil {
            queue.schedule(event, at: until)
            return
        }
        machines[index].isComputing = false
        let events = machines[index].worker?.finish() ?? []
        say(events, from: index)
        leaveWhenDrained(index)
        let (hasWork, hasMail) = (machines[index].worker?.hasWork, machines[index].worker?.hasMail)
        if hasWork == true || hasMail == true { beginStep(index) }
    }

    // MARK: - Draining

    mutating func drain(_ index: Int) {
        guard machines[index].worker?.isDraining == false else { return }
        count(.drain)
        let deadline = after(faultRandom.uniform(0.5...10))
        machines[index].worker?.receive(.drain(deadline: deadline))
        // The deadline itself is a step boundary too, with or without steps before it.
        beginStep(index)
    }

    private mutating func leaveWhenDrained(_ index: Int) {
        guard let worker = machines[index].worker, worker.isDraining, !worker.hasWork, !worker.hasMail,
            !machines[index].isComputing
        else { return }
        endProcess(index)
        if machines[index].isConnected {
            queue.schedule(
                .linkLost(machine: index, link: machines[index].link), at: arrival(atRouterFrom: index))
        }
        queue.schedule(.processStarted(machine: index), at: after(faultRandom.uniform(0.1...2)))
    }

    // MARK: - Links

    mutating func dial(_ index: Int, _ link: Int) {
        guard isRouterUp, machines[index].link == link, !machines[index].isConnected else { return }
        let isThere =
            machines[index].worker != nil && !machines[index].isFrozen(at: now)
            && !machines[index].isPartitioned(at: now)
        guard isThere else {
            machines[index].dialPauseSeconds = min(5, machines[index].dialPauseSeconds * 2)
            let pause = isCalm ? 0.05 : machines[index].dialPauseSeconds
            queue.schedule(.dialled(machine: index, link: link), at: after(pause))
            return
        }
        machines[index].isConnected = true
        machines[index].lastToWorker = now
        machines[index].lastToRouter = now
        queue.schedule(
            .connected(machine: index, process: machines[index].process, link: link),
            at: arrival(atWorkerOf: index))
    }

    mutating func send(_ command: WorkerCommand, to worker: WorkerID) {
        guard let index = machinesByWorker[worker], machines[index].workerID == worker, machines[index].isConnected
        else { return }
        let event = ClusterEvent.commanded(
            machine: index, process: machines[index].process, link: machines[index].link, command)
        queue.schedule(event, at: arrival(atWorkerOf: index))
    }

    private mutating func say(_ events: [WorkerEvent], from index: Int) {
        guard let link = machines[index].worker?.link, machines[index].link == link, machines[index].isConnected else {
            return
        }
        for event in events {
            // What may be said twice without a change between.
            let times =
                switch event {
                case .draining, .credit: networkRandom.happens(0.1) ? 2 : 1
                case .welcome, .step, .prefix, .preempted, .refused: 1
                }
            for _ in 0..<times {
                queue.schedule(.said(machine: index, link: link, event), at: arrival(atRouterFrom: index))
            }
        }
    }

    mutating func loseLink(_ index: Int, _ link: Int) {
        guard machines[index].link == link, machines[index].isConnected, isRouterUp else { return }
        breakLink(index)
        machines[index].link += 1
        forgivePassing()
        let worker = machines[index].workerID
        machines[index].isServing = false
        perform(scheduler.workerLost(worker, now: now))
        machinesByWorker[worker] = nil
        expectWorker(at: index)
    }

    /// The router's end is closed; the worker hears of it when the network lets it.
    mutating func breakLink(_ index: Int) {
        machines[index].isConnected = false
        queue.schedule(
            .disconnected(machine: index, process: machines[index].process, link: machines[index].link),
            at: arrival(atWorkerOf: index))
    }

    private mutating func networkDelay(_ index: Int) -> Double {
        let delay = plan.delaySeconds + networkRandom.unit() * plan.jitterSeconds
        return machines[index].delayedUntil.map { $0 > now } ?? false ? delay + 0.2 * networkRandom.unit() : delay
    }

    private mutating func arrival(atWorkerOf index: Int) -> Instant {
        let earliest = max(now, machines[index].partitionedUntil ?? now).advanced(bySeconds: networkDelay(index))
        let time = max(earliest, Instant(nanoseconds: machines[index].lastToWorker.nanoseconds + 1))
        machines[index].lastToWorker = time
        return time
    }

    private mutating func arrival(atRouterFrom index: Int) -> Instant {
        let earliest = max(now, machines[index].partitionedUntil ?? now).advanced(bySeconds: networkDelay(index))
        let time = max(earliest, Instant(nanoseconds: machines[index].lastToRouter.nanoseconds + 1))
        machines[index].lastToRouter = time
        return time
    }
}
