import Safetensors

/// The keys of an adapter that is one file: its modules, and what belongs to none.
struct FileKeys {
  /// In the order of the names' bytes.
  let modules: [FileModule]
  /// Tensors that replace the model's of these names, in the order of the file.
  private(set) var whole: [(target: String, tensor: Int)] = []
  private(set) var ignored: [IgnoredTensor] = []
  /// The dialect that some keys have alone; nil: none.
  private(set) var dialect: String?
  /// How the factors of LoRA are spelled, the most frequent; nil: there are none.
  private(set) var spelling: FileSpelling?

  /// - Throws: A tensor that is not merged, two tensors of one meaning, or unknown keys.
  init(_ table: TensorTable, path: String) throws(AdapterError) {
    var found: [TensorName: FileModule] = [:]
    var unknown: [Int] = []
    var spellings: [FileSpelling: Int] = [:]
    for index in table.indices {
      let name = table.name(at: index)
      guard let key = FileKey(name.string) else {
        unknown.append(index)
        continue
      }
      switch key.kind {
      case .foreign(let kind): throw AdapterError(path: path, .foreign(kind), tensor: name)
      case .ignored(let reason): ignored.append(IgnoredTensor(tensor: index, reason: reason))
      case .whole: whole.append((key.module, index))
      case .role(let role):
        if let spelling = key.spelling { spellings[spelling, default: 0] += 1 }
        if let own = key.dialect { dialect = own }
        var module = found[TensorName(key.module)] ?? FileModule(key)
        if let other = module.take(key, role, at: index) {
          throw AdapterError(path: path, .sameMeaning(other: table.name(at: other).string), tensor: name)
        }
        found[module.name] = module
      }
    }
    // A plain weight is IA3's only beside the number that says its axis, and a scale is one only beside factors.
    for module in found.values {
      if module[.onInput] == nil, let index = module[.ia3Vector] { unknown.append(index) }
      guard let index = module[.scale] else { continue }
      if module.isOnly([.scale, .ia3Vector]) {
        unknown.append(index)
      } else {
        throw AdapterError(path: path, .foreign(.scale), tensor: table.name(at: index))
      }
    }
    if !unknown.isEmpty {
      unknown.sort()
      throw AdapterError(
        path: path,
        .unknownKeys(
          others: unknown.dropFirst().prefix(2).map { table.name(at: $0).string }, count: unknown.count,
          isAll: unknown.count == table.count), tensor: table.name(at: unknown[0]))
    }
    spelling = FileSpelling.allCases.max { spellings[$0, default: 0] < spellings[$1, default: 0] }
    if spellings.isEmpty { spelling = nil }
    if dialect == nil, !whole.isEmpty { dialect = BFLControl.name }
    modules = found.values.sorted { $0.name < $1.name }
  }
}
