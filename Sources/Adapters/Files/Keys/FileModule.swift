import Safetensors

/// The tensors of one module in an adapter that is one file.
struct FileModule {
  /// As the file names it, without suffix: ``ModuleUpdate/module``.
  let name: TensorName
  /// Where its tensors are in the file's table.
  private(set) var byRole: [FactorRole: Int] = [:]
  /// The keys up to the suffix, of a factor of LoRA where there is one.
  private var stem: String
  private(set) var spelling: FileSpelling?

  init(_ key: FileKey) {
    name = TensorName(key.module)
    stem = key.stem
  }

  /// Takes a tensor; returns the other one of the same role, if there is one.
  mutating func take(_ key: FileKey, _ role: FactorRole, at index: Int) -> Int? {
    if let spelling = key.spelling, self.spelling == nil { (self.spelling, stem) = (spelling, key.stem) }
    return byRole.updateValue(index, forKey: role)
  }

  subscript(role: FactorRole) -> Int? { byRole[role] }

  /// The roles that the module has of these.
  func roles(of list: [FactorRole]) -> [FactorRole] { list.filter { byRole[$0] != nil } }

  /// Whether the module has no tensor but of these roles.
  func isOnly(_ roles: Set<FactorRole>) -> Bool { byRole.keys.allSatisfy(roles.contains) }

  /// What the tensor of a role would be called.
  func name(of role: FactorRole) -> String {
    let spelling = spelling ?? .kohya
    return switch role {
    case .loraA: stem + spelling.down
    case .loraB: stem + spelling.up
    default: "\(stem).\(role.ending)"
    }
  }

  /// The tensors as a tuner reads them.
  func tensors(_ table: TensorTable, path: String) -> ModuleTensors {
    ModuleTensors(
      name: name, byRole: byRole, table: table, path: path, ending: { [self] in ending($0, table) },
      missingName: { [self] in name(of: $0) })
  }

  /// How the key of a tensor ends in the file: what is behind the part that all keys of the module have in common.
  private func ending(_ role: FactorRole, _ table: TensorTable) -> String {
    guard let index = byRole[role] else { return role.ending }
    let key = table.name(at: index).string
    guard key.utf8.starts(with: (stem + ".").utf8) else { return role.ending }
    return String(Substring(key.utf8.dropFirst(stem.utf8.count + 1)))
  }
}
