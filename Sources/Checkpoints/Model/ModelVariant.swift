import Platform

/// One precision or state of a model's weights, of which a folder may have several side by side: files without a variant in
/// their names, and files such as `model.fp16.safetensors`.
///
/// Source: diffusers 0.42.1, `_add_variant` and `_fetch_index_file_legacy`; transformers 5.24, `_add_variant`.
package struct ModelVariant: Equatable {
  /// What ``Checkpoint`` calls the files without a variant in their names.
  package static let standard = "default"

  /// The text in the file names; ``standard`` for none.
  package let name: String
  /// How the files are called before all else, `model` or `diffusion_pytorch_model`.
  package let stem: String
  /// The index and the index that diffusers wrote in older versions, as far as they are there.
  package private(set) var indexes: [String] = []
  package private(set) var single: String?
  /// The names of shards, with their numbers.
  private var shards: [(number: Int, count: Int, name: String)] = []

  /// Names of weights in the folders of diffusers and of transformers.
  package static let stems = ["diffusion_pytorch_model", "model"]

  private init(name: String, stem: String) {
    self.name = name
    self.stem = stem
  }

  package static func == (one: Self, other: Self) -> Bool {
    one.name == other.name && one.stem == other.stem && one.files == other.files
  }

  /// Every file of the variant, shards whether or not an index lists them.
  package var files: [String] { indexes + [single].compactMap { $0 } + shards.map(\.name).sorted() }

  /// The index of its shards: the existing one, or where it would be.
  package var indexName: String {
    indexes.first ?? "\(stem).safetensors.index.\(name == Self.standard ? "" : name + ".")json"
  }

  /// The variants of the weights in a folder, sorted by name with ``standard`` first.
  ///
  /// Where both names of weights occur, those of one library are another form of the same weights.
  ///
  /// - Parameters:
  ///   - entries: The names in the folder.
  ///   - isOfDiffusers: Whether config.json is of diffusers, which opens no `model.safetensors`.
  package static func find(_ entries: [String], isOfDiffusers: Bool) -> [ModelVariant] {
    for stem in isOfDiffusers ? stems : stems.reversed() {
      var found: [String: ModelVariant] = [:]
      for name in entries {
        guard let file = File(name, stem: stem) else { continue }
        found[file.variant, default: ModelVariant(name: file.variant, stem: stem)].add(file, name)
      }
      guard !found.isEmpty else { continue }
      return found.values.sorted {
        ($0.name == standard ? "" : $0.name).utf8.lexicographicallyPrecedes(($1.name == standard ? "" : $1.name).utf8)
      }
    }
    return []
  }

  /// The variant that the user named, or the files without one where there is no such variant, as diffusers does.
  ///
  /// - Parameter path: The folder, for errors.
  static func chosen(
    _ name: String, among variants: [ModelVariant], path: String
  ) throws(CheckpointError) -> ModelVariant {
    if let found = variants.first(where: { Paths.areEqual($0.name, name) }) { return found }
    guard let plain = variants.first(where: { $0.name == standard }) else {
      throw CheckpointError(path: path, .noSuchVariant(name, found: variants.map(\.name)))
    }
    return plain
  }

  private mutating func add(_ file: File, _ name: String) {
    switch file.kind {
    case .index: indexes.insert(name, at: indexes.endIndex)
    case .single: single = name
    case .shard(let number, let count): shards.append((number, count, name))
    }
  }

  /// Which of its files are the weights.
  ///
  /// diffusers opens an index before a single file, transformers a single file before an index.
  ///
  /// - Returns: The choice, and warnings about it.
  func selection(in folder: String) throws(CheckpointError) -> (selection: WeightSelection, warnings: [String]) {
    if let single, let index = indexes.first {
      let names = try? CheckpointIndex(path: Paths.join(folder, index))
      if names?.namesOnly(single) == true { return (.file(single), []) }
      let isDiffusers = stem == Self.stems[0]
      let (used, library, not) = isDiffusers ? (index, "diffusers", single) : (single, "transformers", index)
      let warning =
        "\(folder): holds both \(single) and \(index); \(used) is used, as \(library) does, and \(not) is not"
      return (isDiffusers ? .index(index) : .file(single), [warning])
    }
    if let index = indexes.first { return (.index(index), []) }
    if let single { return (.file(single), []) }
    let names = try completeShards(in: folder)
    return (.shards(names, indexName: indexName), [WeightSelection.unindexedWarning(names, folder: folder, indexName)])
  }

  /// The shards without an index, in their order.
  package func completeShards(in folder: String) throws(CheckpointError) -> [String] {
    let count = shards.first?.count ?? 0
    guard shards.allSatisfy({ $0.count == count }), Set(shards.map(\.number)).count == shards.count else {
      throw CheckpointError(path: folder, .noWeights(others: shards.map(\.name).sorted()))
    }
    let numbers = Set(shards.map(\.number))
    if let missing = (1...max(1, count)).first(where: { !numbers.contains($0) }) {
      throw CheckpointError(path: folder, .incompleteShards(found: shards.count, count: count, firstMissing: missing))
    }
    return shards.sorted { $0.number < $1.number }.map(\.name)
  }

  /// The part of a variant that a file is, by its name.
  private struct File {
    enum Kind {
      case index
      case single
      case shard(number: Int, count: Int)
    }
    let variant: String
    let kind: Kind

    /// Nil for a name that is not one of weights.
    init?(_ name: String, stem: String) {
      guard name.hasPrefix(stem) else { return nil }
      let rest = name.dropFirst(stem.count)
      let (indexStart, indexEnd) = (".safetensors.", ".json")
      if rest.hasPrefix(indexStart), rest.hasSuffix(indexEnd), rest.count > indexStart.count + indexEnd.count {
        var words = rest.dropFirst(indexStart.count).dropLast(indexEnd.count).split(
          separator: ".", omittingEmptySubsequences: false)
        // `index.fp16`, and `fp16.index` in older versions of diffusers.
        guard let place = [words.startIndex, words.endIndex - 1].first(where: { words[$0] == "index" }) else {
          return nil
        }
        words.remove(at: place)
        kind = .index
        variant = words.isEmpty ? ModelVariant.standard : words.joined(separator: ".")
        return
      }
      let ending = ".safetensors"
      guard rest.hasSuffix(ending) else { return nil }
      var text = String(rest.dropLast(ending.count))
      if let shard = SideFileRules.shardNumber(text) {
        // `.fp16-00001-of-00002`, and `-00001-of-00002.fp16` in older versions of diffusers.
        guard shard.prefix.hasSuffix("-") else { return nil }
        text = shard.prefix.dropLast() + shard.suffix
        kind = .shard(number: shard.number, count: shard.count)
      } else {
        kind = .single
      }
      guard text.isEmpty || text.hasPrefix(".") && text.count > 1 else { return nil }
      variant = text.isEmpty ? ModelVariant.standard : String(text.dropFirst())
    }
  }
}
