import JSONText
import Safetensors

/// The files of an adapter in one folder.
struct AdapterFolder {
  static let configName = "adapter_config.json"
  static let weightsName = "adapter_model.safetensors"
  static let pickleName = "adapter_model.bin"
  /// Bytes of adapter_config.json; one with a pattern for each module of a large model has some 100 KiB.
  static let configByteLimit = 4 << 20

  static let pickleConversion =
    "convert it there: python3 -c \"import torch, safetensors.torch as s; "
    + "s.save_file({k: v.clone().contiguous() for k, v in torch.load('\(pickleName)', weights_only=True).items()}, "
    + "'\(weightsName)', metadata={'format': 'pt'})\""

  /// The folder that has the files: the caller's, or the only one in it.
  let path: String
  let configPath: String
  let weightsPath: String
  /// What the caller may want to know about the choice.
  let warnings: [String]

  /// - Throws: What is missing, if not both files are there.
  init(path: String) throws(AdapterError) {
    guard let identity = try Self.identity(path) else {
      throw AdapterError(path: path, .system(call: "stat", code: SystemCalls.noSuchFile))
    }
    guard identity.isDirectory else { throw AdapterError(path: path, .notAFolder) }
    if let inner = try Self.onlyAdapterFolder(in: path) {
      try self.init(
        filesIn: Self.join(path, inner),
        warnings: ["\(path): no \(Self.configName) in this folder; the only adapter in it, \"\(inner)\", is used"])
    } else {
      try self.init(filesIn: path, warnings: [])
    }
  }

  private init(filesIn path: String, warnings: [String]) throws(AdapterError) {
    self.path = path
    self.warnings = warnings
    configPath = Self.join(path, Self.configName)
    weightsPath = Self.join(path, Self.weightsName)
    if try Self.identity(weightsPath) == nil, try Self.identity(Self.join(path, Self.pickleName)) != nil {
      throw AdapterError(path: Self.join(path, Self.pickleName), .pickle)
    }
    for (name, file) in [(Self.configName, configPath), (Self.weightsName, weightsPath)]
    where try Self.identity(file) == nil {
      throw AdapterError(path: path, .missingFile(name))
    }
  }

  /// The folder to look in, if `path` has neither file and one folder in it is clearly meant: PEFT saves an adapter
  /// whose name is not "default" in a folder of that name.
  ///
  /// - Throws: If there is more than one, or only checkpoints of a training, of which none is taken silently.
  private static func onlyAdapterFolder(in path: String) throws(AdapterError) -> String? {
    for name in [configName, weightsName, pickleName] where try identity(join(path, name)) != nil { return nil }
    let folders = try adapterFolders(in: path)
    guard let only = folders.first else { return nil }
    if folders.count == 1, checkpointNumber(only) == nil { return only }
    throw AdapterError(path: path, .severalAdapters(folders))
  }

  /// N of `checkpoint-N`.
  private static func checkpointNumber(_ name: String) -> Int? {
    let prefix = "checkpoint-"
    return name.utf8.starts(with: prefix.utf8) ? Int(Substring(name.utf8.dropFirst(prefix.utf8.count))) : nil
  }

  func readConfig() throws(AdapterError) -> AdapterConfig {
    let text = try configText()
    let json: JSONValue
    do throws(JSONError) { json = try JSONParser.parse(text.span) } catch {
      throw AdapterError(path: configPath, .configNotJSON(error))
    }
    return try AdapterConfig(json, path: configPath)
  }

  private func configText() throws(AdapterError) -> [UInt8] {
    let byteCount: Int
    do throws(SafetensorsError) {
      let file = try InputFile(path: configPath)
      byteCount = file.byteCount
      if byteCount <= Self.configByteLimit { return try file.bytes(0..<byteCount) }
    } catch { throw AdapterError(error) }
    throw AdapterError(path: configPath, .configTooLarge(byteCount: byteCount, limit: Self.configByteLimit))
  }

  func readHeader() throws(AdapterError) -> SafetensorsHeader {
    do throws(SafetensorsError) { return try SafetensorsHeader(path: weightsPath) } catch { throw AdapterError(error) }
  }

  /// The folders directly inside that hold an adapter's config: sorted by bytes, checkpoints last and by number.
  private static func adapterFolders(in path: String) throws(AdapterError) -> [String] {
    let names: [String]
    do throws(SystemCalls.Failure) { names = try SystemCalls.entries(ofFolder: path) } catch {
      throw AdapterError(path: path, .system(call: error.call, code: error.code))
    }
    var folders: [(checkpoint: Int, name: String)] = []
    for name in names {
      let config = join(join(path, name), configName)
      // A folder that may not be entered is no candidate.
      guard let found = try? SystemCalls.identity(path: config), found.isRegularFile else { continue }
      folders.append((checkpointNumber(name) ?? -1, name))
    }
    return folders.enumerated().sorted { ($0.element.checkpoint, $0.offset) < ($1.element.checkpoint, $1.offset) }
      .map(\.element.name)
  }

  private static func join(_ folder: String, _ name: String) -> String {
    folder.utf8.last == UInt8(ascii: "/") ? folder + name : folder + "/" + name
  }

  private static func identity(_ path: String) throws(AdapterError) -> SystemCalls.Identity? {
    do throws(SystemCalls.Failure) { return try SystemCalls.identity(path: path) } catch {
      throw AdapterError(path: path, .system(call: error.call, code: error.code))
    }
  }
}
