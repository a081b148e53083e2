import Testing

/// Names that the field has better words for stay away.
@Suite struct OldNameTests {
  /// Each was a type, a property or a file before the house was set in order.
  private static let names = [
    "Halves", "PackedHalves", "HalvesScales", "throughHalves", "halfGroups", "missingHalf", "halfAttention",
    "BaseChange",
    "Residual", "ResidualFactors", "takeOut", "TrainingQuantisation", "trainedAs", "TrainedWeights", "readTrained",
    "Requantisation", "CodeChanges", "QuantisedBase", "QuantisedGroups", "QuantisedWeight", "StateText", "CodeTables",
    "DynamicMap", "VirtualBase", "BaseNames", "ConfigFacts", "TensorWork", "LayerShape", "LayerShapes", "SlicedLayer",
    "SlicedNames", "AssembledTensors", "InterleavedRows", "LiveNames", "ResolvedName", "turnCount", "liveStep",
    "PrefixRules", "FileSizes", "OutputLayout", "EmbeddingPair", "VocabularyFit", "WholeTensors", "AdapterParts",
    "KeyTable", "LayerAssembly", "FactorActivity", "PreparedUpdate", "FactorRuns", "MergeRecord", "Resumption",
    "OutputCreation", "Quantities", "LargestMagnitudes", "FaultHypotheses", "AgainstOptions", "Surroundings",
    "Descriptors", "OtherOption",
  ]

  @Test func noneIsUsed() throws {
    let pattern = try Regex("\\b(" + Self.names.joined(separator: "|") + ")\\b")
    let files = try SourceTree.files(under: "Sources") + SourceTree.files(under: "Tests")
    for file in files where file.name != "OldNameTests.swift" {
      for (number, line) in file.lines.enumerated() {
        if let match = line.firstMatch(of: pattern) {
          Issue.record("\(file.path):\(number + 1): \(line[match.range])")
        }
      }
      #expect(!Self.names.contains(String(file.name.split(separator: ".")[0].split(separator: "+")[0])), "\(file.path)")
    }
  }

  /// American spelling, as PEFT and the options have it. Texts of the program are no code.
  @Test func spellingIsAmerican() throws {
    let pattern = /\w*(?:[Qq]uantis|[Ii]nitialis|[Ss]ynchronis|[Nn]ormalis|[Rr]ecognis|[Ss]erialis)\w*/
    for file in try SourceTree.files(under: "Sources", endings: ["swift"]) where !file.isGenerated {
      var isInText = false
      for (number, line) in file.lines.enumerated() {
        if line.contains("\"\"\"") { isInText.toggle() }
        guard !isInText, !line.contains("\""), let match = line.firstMatch(of: pattern) else { continue }
        Issue.record("\(file.path):\(number + 1): \(line[match.range])")
      }
    }
  }
}
