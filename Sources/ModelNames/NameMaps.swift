/// The user's renamings, compiled, of which the first that fits a name is used.
package struct NameMaps {
  private let maps: [(map: NameMap, regex: Regex<AnyRegexOutput>)]
  private var used: Set<Int> = []

  /// Compiles the renamings.
  ///
  /// - Throws: ``NameProblem/mapPattern(pattern:)`` for a pattern that is not a regular expression.
  package init(_ maps: [NameMap]) throws(NameProblem) {
    self.maps = try maps.map { map throws(NameProblem) in
      do { return (map, try Regex(map.pattern).matchingSemantics(.unicodeScalar)) } catch {
        throw .mapPattern(pattern: map.pattern)
      }
    }
  }

  /// The name that the first fitting map makes of `name`, with the rule to show for it; the name itself if none fits.
  package mutating func callAsFunction(_ name: String) -> (name: String, rule: String?) {
    for (number, (map, regex)) in maps.enumerated() {
      guard name.firstMatch(of: regex) != nil else { continue }
      used.insert(number)
      let mapped = name.replacing(regex) { match in
        var text = map.replacement
        for (number, group) in match.output.dropFirst().enumerated() {
          text = text.replacing("\\\(number + 1)", with: group.substring ?? "")
        }
        return text
      }
      return (mapped, "map: \(map.pattern) = \(map.replacement)")
    }
    return (name, nil)
  }

  /// The first map that has fitted no name so far: a renaming that renames nothing is a mistake.
  package var unused: NameMap? { maps.indices.first { !used.contains($0) }.map { maps[$0].map } }
}
