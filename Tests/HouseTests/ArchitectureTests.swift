import Testing

/// docs/internals/architecture.md shows the targets and arrows that Package.swift has.
@Suite struct ArchitectureTests {
  /// The targets of Package.swift with what they depend on, in its order.
  private func declared() throws -> [(name: String, dependencies: Set<String>)] {
    let text = try SourceTree.text("Package.swift")
    var found: [(name: String, dependencies: Set<String>)] = []
    let head = /\.(target|executableTarget|systemLibrary|testTarget)\(\s*name: "(\w+)"/
    let starts = text.matches(of: head)
    for (number, match) in starts.enumerated() {
      guard match.1 != "testTarget" else { continue }
      let end = number + 1 < starts.count ? starts[number + 1].range.lowerBound : text.endIndex
      let body = text[match.range.upperBound..<end]
      let list = body.firstMatch(of: /dependencies: \[((?:[^\[\]]|\n)*)\]/).map { String($0.1) } ?? ""
      let products = Set(list.matches(of: /\.product\(name: "(\w+)"/).map { String($0.1) })
      let names = list.replacing(/\.product\([^)]*\)/, with: "").matches(of: /"(\w+)"/).map { String($0.1) }
      found.append((String(match.2), Set(names).union(products)))
    }
    return found
  }

  @Test func theTableOfTargetsIsThatOfThePackage() throws {
    let table = try SourceTree.text("docs/internals/architecture.md").split(separator: "\n").compactMap { line in
      line.firstMatch(of: /^\| `(\w+)` \|.*\|([^|]*)\|$/).map { match in
        (
          name: String(match.1),
          dependencies: Set(
            match.2.split(separator: ",").map { String($0.filter { $0 != " " }) }.filter { !$0.isEmpty })
        )
      }
    }
    let package = try declared().filter { $0.name != "TestSupport" }
    #expect(table.map(\.name) == package.map(\.name))
    for (row, target) in zip(table, package) {
      #expect(row.dependencies == target.dependencies, "\(target.name)")
    }
  }

  @Test func arrowsGoUpwardsOnly() throws {
    var above: Set<String> = ["ArgumentParser"]
    let targets = try declared()
    #expect(targets.count > 20)
    for target in targets {
      #expect(target.dependencies.isSubset(of: above), "\(target.name): \(target.dependencies.subtracting(above))")
      above.insert(target.name)
    }
  }
}
