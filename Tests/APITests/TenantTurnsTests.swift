import Testing

@testable import API

@Suite struct TenantTurnsTests {
    @Test func `each tenant in turn gives its oldest`() {
        var turns = TenantTurns<String>()
        #expect(turns.next() == nil)
        for work in ["a1", "a2", "a3", "b1", "c1", "b2"] { turns.add(work, of: String(work.prefix(1))) }
        #expect((0..<4).map { _ in turns.next() } == ["a1", "b1", "c1", "a2"])
        // Whoever comes back is behind those that wait.
        turns.add("c2", of: "c")
        #expect((0..<4).map { _ in turns.next() } == ["b2", "a3", "c2", nil])
    }
}

@Suite struct PreparationPlacesTests {
    @Test func `a tenant alone has all places`() {
        var places = PreparationPlaces(countMax: 4)
        #expect((0..<5).map { _ in places.take("a", now: 0) } == [nil, nil, nil, nil, 4])
        places.giveBack("a")
        #expect(places.take("a", now: 0) == nil)
    }

    @Test func `beside others it has half of them, as long as they are about`() {
        var places = PreparationPlaces(countMax: 4)
        #expect(places.take("b", now: 0) == nil)
        places.giveBack("b")
        #expect((0..<3).map { _ in places.take("a", now: 59) } == [nil, nil, 2])
        #expect(places.take("a", now: 60) == nil)
        #expect(places.take("b", now: 60) == nil)
        // Who has a place is about, however long ago it asked.
        places.giveBack("a")
        places.giveBack("a")
        #expect((0..<2).map { _ in places.take("a", now: 200) } == [nil, 2])
    }

    @Test func `who was refused finds a place later, though the other asks all the time`() {
        var places = PreparationPlaces(countMax: 4)
        for _ in 0..<4 { #expect(places.take("a", now: 0) == nil) }
        #expect(places.take("b", now: 1) == 4)
        for left in [3, 2] {
            places.giveBack("a")
            #expect(places.take("a", now: 1) == left)
        }
        #expect(places.take("b", now: 2) == nil)
    }

    @Test func `the smallest bound still lets each in`() {
        var places = PreparationPlaces(countMax: 1)
        #expect(places.take("a", now: 0) == nil && places.take("b", now: 0) == 1)
        places.giveBack("a")
        #expect(places.take("b", now: 0) == nil)
    }
}
