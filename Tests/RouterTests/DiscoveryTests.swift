import NIOCore
import NIOEmbedded
import Testing

@testable import Router

final class RecordingObserver: WorkerDiscoveryObserver {
    var present: Set<WorkerAddress> = []
    var leaving: Set<WorkerAddress> = []
    var died: [WorkerAddress] = []
    func workerAppeared(at address: WorkerAddress, in discovery: any WorkerDiscovery) {
        present.insert(address)
        leaving.remove(address)
    }
    func workerVanished(at address: WorkerAddress, in discovery: any WorkerDiscovery) {
        present.remove(address)
        leaving.remove(address)
    }
    func workerLeaving(at address: WorkerAddress, in discovery: any WorkerDiscovery) {
        present.remove(address)
        leaving.insert(address)
    }
    func workerDied(at address: WorkerAddress, in discovery: any WorkerDiscovery) {
        died.append(address)
        present.remove(address)
    }

    var hosts: [String] { present.map(\.host).sorted() }
}

@Suite struct DiscoveryTests {
    @Test func `a name's addresses come and go, and an outage of its server changes nothing`() {
        struct Outage: Error {}
        let loop = EmbeddedEventLoop()
        let answers = Box<[Result<[String], any Error>]>([
            .success(["10.0.0.1", "10.0.0.2"]), .failure(Outage()), .success([]), .success(["10.0.0.2", "10.0.0.3"]),
        ])
        let discovery = DNSDiscovery(name: "workers", port: 8101, eventLoop: loop) { _ in
            switch answers.value.removeFirst() {
            case .success(let hosts): loop.makeSucceededFuture(hosts)
            case .failure(let error): loop.makeFailedFuture(error)
            }
        }
        let observer = RecordingObserver()
        discovery.start(observer)

        var seen: [[String]] = []
        for _ in 0..<4 {
            loop.run()
            seen.append(observer.hosts)
            if seen.count == 4 { discovery.stop() }
            loop.advanceTime(by: .seconds(5))
        }

        #expect(
            seen == [
                ["10.0.0.1", "10.0.0.2"], ["10.0.0.1", "10.0.0.2"], ["10.0.0.1", "10.0.0.2"], ["10.0.0.2", "10.0.0.3"],
            ])
        #expect(answers.value.isEmpty)
    }

    @Test func `the system knows the addresses of this machine`() throws {
        #expect(try HostResolver.addresses(of: "localhost").contains { $0 == "127.0.0.1" || $0 == "::1" })
        #expect(throws: HostResolver.Failure.self) { _ = try HostResolver.addresses(of: "no-such-host.invalid") }
    }

    @Test(arguments: [
        ("10.0.0.1:8101", WorkerAddress(host: "10.0.0.1", port: 8101)),
        ("[::1]:1", WorkerAddress(host: "::1", port: 1)),
        ("workers.apus.svc:65535", WorkerAddress(host: "workers.apus.svc", port: 65535)),
    ]) func `addresses are read as operators write them`(text: String, address: WorkerAddress) throws {
        #expect(try AddressList.parse(text) == address)
        #expect(address.description == text)
    }

    @Test(arguments: ["", ":", "a", "a:", "a:0", "a:65536", "a:-1", ":80", "::1:80", "a b:80", "http://a:80", "[a]:80"])
    func `what is no address is an error that names it`(text: String) {
        #expect(throws: AddressList.Problem.malformed(text)) { _ = try AddressList.parse(text) }
    }

    @Test func `names are looked up, addresses taken as they are`() throws {
        let found = try AddressList.discoveries(
            for: ["10.0.0.1:1", "[::1]:2", "name:3"], eventLoop: EmbeddedEventLoop())
        #expect(found.count == 2)
        let observer = RecordingObserver()
        found.first?.start(observer)
        #expect(observer.hosts == ["10.0.0.1", "::1"])
    }

    @Test func `a supervisor's workers are there from ready to exit`() {
        let discovery = LocalDiscovery()
        let observer = RecordingObserver()
        discovery.supervisorSaid(.workerStarted(index: 0, port: 4001, metricsPort: 5001))
        discovery.start(observer)
        discovery.supervisorSaid(.workerStarted(index: 1, port: 4002, metricsPort: 5002))
        #expect(observer.present.map(\.port).sorted() == [4001, 4002])

        discovery.supervisorSaid(
            .workerExited(index: 0, status: .signalled(9), wasReady: true, restartMilliseconds: 100))
        discovery.supervisorSaid(.workerStarted(index: 0, port: 4003, metricsPort: 5003))

        #expect(observer.died.map(\.port) == [4001])
        #expect(observer.present.map(\.port).sorted() == [4002, 4003])
    }
}
