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
        case .connected(let place, let process, let link):
            tell(.register(.init(router: place.router, number: link)), place.machine, process, event)
        case .disconnected(let place, let process, let link):
            tell(.unregister(.init(router: place.router, number: link)), place.machine, process, event)
        case .commanded(let place, let process, let link, let command):
            guard tell(.command(command, .init(router: place.router, number: link)), place.machine, process, event),
                self[place].number == link
            else { return }
            self[place].commandsTaken += 1
            if case .admit(let sequence) = command, sequence.resumes {
                say([(place.router, .taken(commands: self[place].commandsTaken))], from: place.machine)
            }
        case .stepEnded(let machine, let process): endStep(machine, process, event)
        case .lookedAtStep(let machine, let process, let step): lookAtStep(machine, process, step)
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
        for place in links(of: index) where self[place].isConnected {
            // The peer's system says so, before or after what was on its way has been read; or the machine is off.
            let lost = ClusterEvent.linkLost(place, link: self[place].number)
            switch faultRandom.below(3) {
            case 0: queue.schedule(lost, at: after(networkDelay(place)))
            case 1: queue.schedule(lost, at: arrival(atRouter: place))
            default: queue.schedule(lost, at: after(plan.pingSeconds))
            }
        }
        queue.schedule(.processStarted(machine: index), at: after(faultRandom.uniform(0.1...2)))
    }

    private mutating func endProcess(_ index: Int) {
        machines[index].worker = nil
        machines[index].process += 1
        machines[index].isComputing = false
        machines[index].frozenUntil = nil
        (machines[index].hungSince, machines[index].hungUntil) = (nil, nil)
        (machines[index].slowSince, machines[index].slowUntil) = (nil, nil)
        trouble(index, for: plan.pingSeconds)
        machines[index].held.removeAll()
    }

    private mutating func thaw(_ index: Int, _ process: Int) {
        guard machines[index].process == process, !machines[index].isFrozen(at: now) else { return }
        machines[index].frozenUntil = nil
        let held = machines[index].held
        machines[index].held.removeAll()
        for event in held { handleMachine(event) }
    }

    /// - Returns: whether the process has it now.
    @discardableResult private mutating func tell(
        _ message: SimulatedWorker.Message, _ index: Int, _ process: Int, _ event: ClusterEvent
    ) -> Bool {
        guard machines[index].process == process, machines[index].worker != nil else { return false }
        guard !machines[index].isFrozen(at: now) else {
            machines[index].held.append(event)
            return false
        }
        machines[index].worker?.receive(message)
        beginStep(index)
        return true
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
            lookAtNextStep(index, process, worker.stepNumber)
        case .dying(let seconds, let poison):
            machines[index].worker = worker
            machines[index].isComputing = true
            queue.schedule(.died(machine: index, process: process, of: poison), at: after(seconds))
            lookAtNextStep(index, process, worker.stepNumber)
        }
    }

    // MARK: - Signs of life

    /// Two looks lie between two signs at most.
    private var lookSeconds: Double { SimulatedMachine.signSeconds / 2 }

    private mutating func lookAtNextStep(_ index: Int, _ process: Int, _ step: UInt64) {
        guard machines[index].description.signSeconds != nil else { return }
        scheduleLook(index, process, step, after: lookSeconds * (1 + stepRandom.unit()))
    }

    private mutating func scheduleLook(_ index: Int, _ process: Int, _ step: UInt64, after seconds: Double) {
        let lateness = machines[index].isBusy(at: now) ? 0.15 * stepRandom.unit() : 0
        queue.schedule(
            .lookedAtStep(machine: index, process: process, step: step), at: after(seconds + lateness))
    }

    /// A step that goes on and moves is told of.
    private mutating func lookAtStep(_ index: Int, _ process: Int, _ step: UInt64) {
        guard machines[index].process == process, machines[index].isComputing,
            let worker = machines[index].worker, worker.stepNumber == step
        else { return }
        if !machines[index].isFrozen(at: now) && !machines[index].isHung(at: now) {
            say(worker.connectedRouters.map { ($0, .working) }, from: index)
        }
        scheduleLook(index, process, step, after: lookSeconds)
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
        for place in links(of: index) where self[place].isConnected {
            queue.schedule(.linkLost(place, link: self[place].number), at: arrival(atRouter: place))
        }
        queue.schedule(.processStarted(machine: index), at: after(faultRandom.uniform(0.1...2)))
    }

    // MARK: - Links

    mutating func dial(_ place: LinkPlace, _ link: Int) {
        let machine = machines[place.machine]
        guard routers[place.router].isUp, self[place].number == link, !self[place].isConnected else { return }
        let isThere = machine.worker != nil && !machine.isFrozen(at: now) && !self[place].isPartitioned(at: now)
        guard isThere else {
            self[place].dialPauseSeconds = min(5, self[place].dialPauseSeconds * 2)
            let pause = isCalm ? 0.05 : self[place].dialPauseSeconds
            queue.schedule(.dialled(place, link: link), at: after(pause))
            return
        }
        self[place].isConnected = true
        self[place].commandsTaken = 0
        self[place].lastToWorker = now
        self[place].lastToRouter = now
        queue.schedule(.connected(place, process: machine.process, link: link), at: arrival(atWorker: place))
    }

    mutating func send(_ command: WorkerCommand, to worker: WorkerID) {
        guard let place = linksByWorker[worker], self[place].isConnected else { return }
        let process = machines[place.machine].process
        let event = ClusterEvent.commanded(place, process: process, link: self[place].number, command)
        queue.schedule(event, at: arrival(atWorker: place))
    }

    private mutating func say(_ events: [SimulatedWorker.Said], from index: Int) {
        for (router, event) in events {
            let place = LinkPlace(machine: index, router: router)
            let link = self[place].number
            guard self[place].isConnected, machines[index].worker?.linkNumber(of: router) == link else { continue }
            // What may be said twice without a change between.
            let times =
                switch event {
                case .draining, .credit: networkRandom.happens(0.1) ? 2 : 1
                case .welcome, .step, .prefix, .preempted, .refused, .working, .taken: 1
                }
            for _ in 0..<times { queue.schedule(.said(place, link: link, event), at: arrival(atRouter: place)) }
        }
    }

    mutating func loseLink(_ place: LinkPlace, _ link: Int) {
        guard self[place].number == link, self[place].isConnected, routers[place.router].isUp else { return }
        breakLink(place)
        self[place].number += 1
        self[place].isServing = false
        forgivePassing()
        let worker = self[place].workerID
        perform(routers[place.router].scheduler.workerLost(worker, now: now))
        linksByWorker[worker] = nil
        expectWorker(at: place)
    }

    /// The router's end is closed; the worker hears of it when the network lets it.
    mutating func breakLink(_ place: LinkPlace) {
        self[place].isConnected = false
        let process = machines[place.machine].process
        queue.schedule(
            .disconnected(place, process: process, link: self[place].number), at: arrival(atWorker: place))
    }

    private mutating func networkDelay(_ place: LinkPlace) -> Double {
        let delay = plan.delaySeconds + networkRandom.unit() * plan.jitterSeconds
        return self[place].delayedUntil.map { $0 > now } ?? false ? delay + 0.2 * networkRandom.unit() : delay
    }

    private mutating func arrival(atWorker place: LinkPlace) -> Instant {
        let earliest = max(now, self[place].partitionedUntil ?? now).advanced(bySeconds: networkDelay(place))
        let time = max(earliest, Instant(nanoseconds: self[place].lastToWorker.nanoseconds + 1))
        self[place].lastToWorker = time
        return time
    }

    private mutating func arrival(atRouter place: LinkPlace) -> Instant {
        let earliest = max(now, self[place].partitionedUntil ?? now).advanced(bySeconds: networkDelay(place))
        let time = max(earliest, Instant(nanoseconds: self[place].lastToRouter.nanoseconds + 1))
        self[place].lastToRouter = time
        return time
    }
}
