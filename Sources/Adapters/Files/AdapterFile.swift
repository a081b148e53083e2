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
}
