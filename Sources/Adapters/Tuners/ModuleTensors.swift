import Safetensors

/// The tensors that a tuner has for one module.
struct ModuleTensors {
  /// Where the module is in the model.
  let name: TensorName
  private let byRole: [FactorRole: Int]
  private let table: TensorTable
  /// The weights file, for errors.
  private let path: String
  /// What the tensor of a role that the module lacks would be called.
  private let missingName: (FactorRole) -> String
  /// What messages call a tensor that the module has, without the module's name; nil: as its role.
  private let ending: ((FactorRole) -> String)?

  /// - Parameters:
  ///   - byRole: Where its tensors are in `table`.
  ///   - path: The weights file, for errors.
  ///   - ending: What messages call a tensor that the module has, without the module's name; nil: as its role.
  ///   - missingName: What the tensor of a role that the module lacks would be called.
  init(
    name: TensorName, byRole: [FactorRole: Int], table: TensorTable, path: String,
    ending: ((FactorRole) -> String)? = nil, missingName: @escaping (FactorRole) -> String
  ) {
    self.name = name
    self.byRole = byRole
    self.table = table
    self.path = path
    self.ending = ending
    self.missingName = missingName
  }

  /// Every module with tensors of the tuner, in the order of the names' bytes.
  ///
  /// - Throws: If a module has updates inside of each other, which only LoRA knows.
  static func all(_ tensors: AdapterTensors) throws(AdapterError) -> [ModuleTensors] {
    var found: [TensorName: (key: AdapterKey, byRole: [FactorRole: Int])] = [:]
    for (index, key) in tensors.keys.keys.enumerated() {
      guard case .factor(let role) = key.role else { continue }
      if key.depth > 0 || key.container != nil {
        throw tensors.failure(.nestedUpdate(depth: max(key.depth, 1)), at: index)
      }
      found[key.module, default: (key, [:])].byRole[role] = index
    }
    return found.sorted { $0.key < $1.key }
      .map { module, found in
        ModuleTensors(name: module, byRole: found.byRole, table: tensors.table, path: tensors.path) {
          found.key.name(of: .factor($0))
        }
      }
  }

  /// The places of all tensors, in the order of the roles.
  func indices(of roles: [FactorRole]) -> [Int] { roles.compactMap { byRole[$0] } }

  /// Where a tensor is in the table; nil: the module has none.
  subscript(role: FactorRole) -> Int? { byRole[role] }

  /// A tensor that every module has.
  func required(_ role: FactorRole) throws(AdapterError) -> TensorInfo {
    try info(at: try place(of: role))
  }

  /// A tensor of places that every module has: integers, or the floats that Windows saves for them.
  func requiredIndices(_ role: FactorRole) throws(AdapterError) -> TensorInfo {
    let index = try place(of: role)
    let info = table[index]
    guard [.i32, .i64, .i16, .u8, .f32].contains(info.dtype) else { throw failure(.dtype(info.dtype), at: index) }
    if info.shape.contains(0) { throw failure(.shape(expected: "without zeros", found: info.shape), at: index) }
    return info
  }

  /// Where a tensor that every module has is in the table.
  func place(of role: FactorRole) throws(AdapterError) -> Int {
    guard let index = byRole[role] else { throw failure(.missingFactor(missing: missingName(role)), at: nil) }
    return index
  }

  /// A tensor that every module has, as what says rows or columns.
  func witness(_ role: FactorRole) throws(AdapterError) -> ModuleUpdate.Witness {
    ModuleUpdate.Witness(try place(of: role), ending?(role) ?? role.ending)
  }

  /// A tensor that not every module has, as what says a dimension; nil: the module has none.
  func optionalWitness(_ role: FactorRole) throws(AdapterError) -> ModuleUpdate.Witness? {
    byRole[role] == nil ? nil : try witness(role)
  }

  /// The whole name of a tensor of a role: the file's, or what it would be called there.
  func key(of role: FactorRole) -> String {
    byRole[role].map { table.name(at: $0).string } ?? missingName(role)
  }

  /// How many dimensions a tensor has; 0 where the module has none.
  func rank(of role: FactorRole) -> Int { byRole[role].map { table.shape(at: $0).count } ?? 0 }

  /// - Throws: If the module has both a tensor and those that other modules have instead.
  func exclude(_ others: [FactorRole], beside role: FactorRole) throws(AdapterError) {
    guard let other = others.first(where: { byRole[$0] != nil }) else { return }
    throw failure(.excluded(other: key(of: role)), at: byRole[other])
  }

  private func info(at index: Int) throws(AdapterError) -> TensorInfo {
    let info = table[index]
    try FactorShapes.checkDType(info, path: path)
    // The dimensions of an empty tensor are bounded by nothing: 2^40 rows would cost no byte of a file.
    if info.shape.contains(0) { throw failure(.shape(expected: "without zeros", found: info.shape), at: index) }
    return info
  }

  /// - Throws: If a tensor has another shape than the others and the config make it.
  func check(_ role: FactorRole, is expected: [Int]) throws(AdapterError) {
    guard let index = byRole[role] else { return }
    let found = table.shape(at: index)
    if found == expected { return }
    throw failure(.shape(expected: AdapterError.text(expected), found: found), at: index)
  }

  /// - Throws: If one of the tensors is not a matrix.
  func checkMatrices(_ roles: [FactorRole]) throws(AdapterError) {
    for role in roles {
      let index = try place(of: role)
      let shape = table.shape(at: index)
      guard shape.count == 2 else { throw failure(.shape(expected: "two dimensions", found: shape), at: index) }
    }
  }

  /// - Parameters:
  ///   - axis: The dimension that is the rank.
  ///   - field: What says the rank of modules that no pattern names.
  ///   - strength: What the config says; nil: nothing.
  /// - Throws: If a tensor has another rank than the config says.
  func checkRank(
    _ role: FactorRole, axis: Int, _ strength: ModuleStrength?, field: String = "r"
  ) throws(AdapterError) {
    guard let strength else { return }
    let index = try place(of: role)
    let shape = table.shape(at: index)
    guard shape.indices.contains(axis), shape[axis] != strength.rank else { return }
    throw failure(
      .rank(
        expected: strength.rank, found: shape[axis], shape: shape, field: field, pattern: strength.rankPattern),
      at: index)
  }

  /// An error about one of the module's tensors; nil: about its first factor, or its first tensor if it has no factors.
  func failure(_ problem: AdapterError.Problem, at index: Int?) -> AdapterError {
    let first = byRole.filter { $0.key != .alpha }.values.min() ?? byRole.values.min()
    return AdapterError(path: path, problem, tensor: (index ?? first).map { table.name(at: $0) })
  }
}
