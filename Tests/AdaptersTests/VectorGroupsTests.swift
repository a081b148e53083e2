import Testing

@testable import Adapters

/// Which vector a module of TinyLoRA has.
@Suite struct VectorGroupsTests {
  @Test func oneVectorIsForAll() {
    let groups = VectorGroups(["a.q", "a.v", "b"], tying: 1)
    #expect(groups.count == 1 && groups.ofModules == [0, 0, 0])
  }

  @Test func layersOfAListAreInTheOrderOfTheirNumbers() {
    let groups = VectorGroups(["h.10.q", "h.2.q", "h.0.q"], tying: 0)
    #expect(groups.count == 3 && groups.ofModules == [2, 1, 0])
  }

  @Test func whatTheModelsCodeOrdersIsOpen() {
    #expect(VectorGroups(["q", "v"], tying: 0).ofModules == [nil, nil])
    #expect(VectorGroups(["h.0.q", "h.0.v", "h.1.q", "h.1.v"], tying: 0).ofModules == [nil, nil, nil, nil])
    // Each layer is a group of its own.
    #expect(VectorGroups(["h.0.q", "h.0.v", "h.1.q", "h.1.v"], tying: 0.5).ofModules == [0, 0, 1, 1])
  }

  /// As Python rounds: 2.5 groups are two, and the last has what is left.
  @Test func groupsAreCountedAsInPEFT() {
    let groups = VectorGroups((0..<5).map { "h.\($0).q" }, tying: 0.5)
    #expect(groups.count == 2 && groups.ofModules == [0, 0, 1, 1, 1])
    let more = VectorGroups((0..<7).map { "h.\($0).q" }, tying: 0.5)
    #expect(more.count == 4 && more.ofModules == [0, 1, 2, 3, 3, 3, 3])
  }
}
