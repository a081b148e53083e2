import Safetensors

/// The keys of an adapter's tensors, in their parts, no two with the same meaning.
struct AdapterKeys {
  /// By the index of the tensor.
  let keys: [AdapterKey]
  /// What was unusual about the names, a line each.
  private(set) var warnings: [String] = []

  let dialect: KeyDialect
  private let table: TensorTable
  private let path: String

  /// - Parameter path: The weights file, for errors.
  init(_ table: TensorTable, _ dialect: KeyDialect, path: String) throws(AdapterError) {
    self.table = table
    self.dialect = dialect
    self.path = path
    var keys: [AdapterKey] = []
    keys.reserveCapacity(table.count)
    for index in table.indices {
      let name = table.name(at: index)
      do throws(AdapterError.Problem) { keys.append(try AdapterKey(name, dialect)) } catch {
        throw AdapterError(path: path, error, tensor: name)
      }
    }
    let adapterName = try Self.adapterName(of: keys, table, dialect, path)
    var plain: [AdapterKey] = []
    plain.reserveCapacity(keys.count)
    for (index, key) in keys.enumerated() {
      do throws(AdapterError.Problem) {
        plain.append(try key.takingAdapterName(adapterName).unwrappingSavedUpdate(dialect))
      } catch { throw AdapterError(path: path, error, tensor: table.name(at: index)) }
    }
    self.keys = plain
    try checkForRepetitions()
    warnings = leniencyWarnings()
  }

  /// Whether some keys are a tuner's.
  var hasFactors: Bool { keys.contains { if case .factor = $0.role { true } else { false } } }

  private static func adapterName(
    of keys: [AdapterKey], _ table: TensorTable, _ dialect: KeyDialect, _ path: String
  ) throws(AdapterError) -> String? {
    var found: String?
    for (index, key) in keys.enumerated() {
      guard let name = key.adapterName ?? key.savedUpdate(dialect)?.adapterName else { continue }
      if let found, !found.utf8.elementsEqual(name.utf8) {
        throw AdapterError(
          path: path, .adapterNames(found: name, other: found), tensor: table.name(at: index))
      }
      found = name
    }
    return found
  }

  private func checkForRepetitions() throws(AdapterError) {
    var seen: [TensorName: Int] = [:]
    for (index, key) in keys.enumerated() {
      if let other = seen.updateValue(index, forKey: TensorName(key.name(of: key.role))) {
        throw AdapterError(
          path: path, .sameMeaning(other: table.name(at: other).string), tensor: table.name(at: index))
      }
    }
  }

  private func leniencyWarnings() -> [String] {
    var counts: [AdapterKey.Leniency: (count: Int, first: Int)] = [:]
    for (index, key) in keys.enumerated() {
      // Of an adapter of MLX all factors are stored transposed.
      for leniency in key.leniencies where dialect.spelling != .mlx || leniency != .transposedFactor {
        counts[leniency, default: (0, index)].count += 1
      }
    }
    return counts.map { leniency, found in
      "\(path): \(found.count) of \(keys.count) keys \(leniency.text), such as \(table.name(at: found.first))"
    }
    .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}

extension AdapterKey {
  /// The key without the adapter's name inside `modules_to_save.`, where only other keys tell it from a module's name.
  ///
  /// - Parameter name: The name that other keys of the file hold; nil: none does, and only "default" is taken for one.
  fileprivate func takingAdapterName(_ name: String?) -> AdapterKey {
    guard case .savedCopy(let inner) = role else { return self }
    guard inner.count > 1, inner[0].utf8.elementsEqual((name ?? "default").utf8) else { return self }
    return AdapterKey(self, role: .savedCopy(name: Array(inner.dropFirst())), adding: .adapterName(inner[0]))
  }

  /// The same key without `modules_to_save.`, where a module was both saved whole and updated, so that the saved copy is a
  /// wrapped layer; nil: this is no such key.
  fileprivate func savedUpdate(_ dialect: KeyDialect) -> AdapterKey? { try? makeSavedUpdate(dialect) }

  /// The key of an update, or of a wrapped weight, that lies inside of a saved copy: PEFT 0.21.2 leaves
  /// `modules_to_save.NAME.` out when it saves such a module, dumps of a whole state and older releases do not.
  fileprivate func unwrappingSavedUpdate(_ dialect: KeyDialect) throws(AdapterError.Problem) -> AdapterKey {
    try makeSavedUpdate(dialect) ?? self
  }

  private func makeSavedUpdate(_ dialect: KeyDialect) throws(AdapterError.Problem) -> AdapterKey? {
    guard case .savedCopy(let inner) = role, inner.contains(where: dialect.isUpdate) else { return nil }
    let key = try AdapterKey(TensorName("\(AdapterKey.prefix)\(path).\(inner.joined(separator: "."))"), dialect)
    return AdapterKey(key, role: key.role, adding: leniencies.union([.savedUpdate]))
  }
}

extension AdapterKey.Leniency {
  fileprivate var text: String {
    switch self {
    case .missingPrefix: "lack the prefix \"\(AdapterKey.prefix)\""
    case .doubledPrefix: "have the prefix \"\(AdapterKey.prefix)\" twice"
    case .wrapper(let segment): "hold the wrapper \"\(segment).\""
    case .savedUpdate: "hold \"modules_to_save.\" around an update"
    case .adapterName(let name): "hold the adapter's name \"\(name)\""
    case .innerPrefix(let part):
      "have the prefix \"\(AdapterKey.prefix)\" behind \"\(part).\", the part that was wrapped"
    case .bareFactor: "end with the factor's name, without \".weight\""
    case .transposedFactor: "are factors of MLX, which are stored transposed"
    case .renamed(let name): "name a module by \"\(name)\""
    }
  }
}
