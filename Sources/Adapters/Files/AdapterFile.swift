import Platform
import Safetensors

/// An adapter that is one file, as it is found.
enum AdapterFile {
  private static let pickleEndings = [".pt", ".pth", ".ckpt", ".bin"]

  /// The header of the file at `path`.
  ///
  /// - Throws: If it is a pickle, or the weights of a folder with a config.
  static func header(_ path: String) throws(AdapterError) -> SafetensorsHeader {
    let name = Paths.lastComponent(path)
    if pickleEndings.contains(where: { name.lowercased().utf8.suffix($0.utf8.count).elementsEqual($0.utf8) }) {
      throw AdapterError(path: path, .otherFile)
    }
    if name == AdapterFolder.weightsName {
      let config = Paths.join(Paths.folder(path), AdapterFolder.configName)
      if let found = try? SystemCalls.identity(path: config), found.isRegularFile {
        throw AdapterError(path: path, .weightsOfFolder)
      }
    }
    let header: SafetensorsHeader
    do throws(SafetensorsError) { header = try SafetensorsHeader(path: path) } catch { throw AdapterError(error) }
    if header.tensors.isEmpty { throw AdapterError(path: path, .noTensors) }
    return header
  }

  /// What models have tensors of under the same names, so that these say nothing of a file.
  private static let common: Set<FactorRole> = [.alpha, .magnitude, .orthogonalScale]

  /// Whether a file's tensors are those of an adapter, but for few. A model that was saved with an adapter in it is a model.
  static func isAdapter(_ table: TensorTable) -> Bool {
    var (own, others) = (0, 0)
    // Weights are IA3's beside the numbers that say the axis.
    var (weights, axes) = (0, 0)
    for index in table.indices {
      let name = table.name(at: index).string
      switch FileSuffixes.match(name)?.entry.meaning {
      case .role(.ia3Vector, _)?:
        if isOfProcessor(name) { own += 1 } else { weights += 1 }
      case .role(.onInput, _)?: axes += 1
      case .role(.scale, _)?:
        if !BFLControl.replaces(AdapterKey.segments(name)) { others += 1 }
      case .role(let role, _)?:
        if !common.contains(role) { own += 1 }
      // Models of nunchaku have the same parts.
      case .foreign(.nunchaku)?: others += 1
      case .foreign?: own += 1
      case nil:
        if !name.utf8.starts(with: "bundle_emb.".utf8) { others += 1 }
      }
    }
    own += 2 * axes
    others += max(0, weights - axes)
    return own > 0 && others * 4 <= own
  }

  /// Whether the name of a weight is that of a factor in a processor of XLabs or of old diffusers.
  private static func isOfProcessor(_ name: String) -> Bool {
    guard [".down.weight", ".up.weight"].contains(where: name.hasSuffix) else { return false }
    return FileKey(name)?.spelling == .processor
  }
}
