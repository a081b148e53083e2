import JSONText
import Platform
import Safetensors

/// The files of an adapter in one folder.
struct AdapterFolder {
  static let configName = PEFTLayout.configName
  static let weightsName = PEFTLayout.weightsName
  static let pickleName = "adapter_model.bin"
  /// Bytes of adapter_config.json; one with a pattern for each module of a large model has some 100 KiB.
  static let configByteLimit = 4 << 20

  static func pickleConversion(_ path: String) -> String {
    let folder = Paths.folder(path)
    // A path with a quote or another special character of a shell is not put into a command.
    let isPlain = folder.unicodeScalars.allSatisfy {
      $0.properties.isAlphabetic || "0123456789/._-+=@, ".unicodeScalars.contains($0)
    }
    let (start, prefix) = isPlain ? ("convert it", join(folder, "")) : ("convert it in its folder", "")
    return "\(start): python3 -c \"import torch, safetensors.torch as s; "
      + "s.save_file({k: v.clone().contiguous() for k, v in torch.load('\(prefix)\(pickleName)', weights_only=True).items()}, "
      + "'\(prefix)\(weightsName)', metadata={'format': 'pt'})\""
  }

  /// The folder that has the files: the caller's, or the only one in it.
  let path: String
  let configPath: String
  let weightsPath: String
  /// The trainer whose files they are; nil: PEFT.
  private let trainer: TrainerFiles?
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
    if let found = try Self.weightsInside(path) {
      try self.init(
        path: Self.join(path, found.folder), trainer: nil,
        configPath: Self.join(found.hasConfig ? Self.join(path, found.folder) : path, Self.configName),
        warnings: warnings + [
          "\(path): no \(Self.weightsName) in this folder; that of \"\(found.folder)\", the only one in it, is used"
        ])
      return
    }
    var trainer: TrainerFiles?
    if try Self.identity(Self.join(path, Self.weightsName)) == nil {
      for files in TrainerFiles.all.reversed() {
        if try Self.identity(Self.join(path, files.weightsName)) != nil { trainer = files }
      }
    }
    try self.init(
      path: path, trainer: trainer, configPath: Self.join(path, trainer?.configName ?? Self.configName),
      warnings: warnings)
  }

  private init(
    path: String, trainer: TrainerFiles?, configPath: String, warnings: [String]
  ) throws(AdapterError) {
    self.path = path
    self.warnings = warnings
    self.trainer = trainer
    self.configPath = configPath
    weightsPath = Self.join(path, trainer?.weightsName ?? Self.weightsName)
    if try Self.identity(weightsPath) == nil, try Self.identity(Self.join(path, Self.pickleName)) != nil {
      throw AdapterError(path: Self.join(path, Self.pickleName), .pickle)
    }
    if let trainer, try Self.identity(configPath) == nil {
      throw AdapterError(
        path: weightsPath, .trainerConfig(trainer.configName, missing: trainer.configName, found: nil))
    }
    for (name, file) in [(Self.configName, configPath), (Self.weightsName, weightsPath)]
    where try Self.identity(file) == nil {
      throw AdapterError(path: path, .missingFile(name))
    }
  }

  /// Whether there is a folder at this path.
  ///
  /// - Throws: If there is nothing.
  static func isFolder(_ path: String) throws(AdapterError) -> Bool {
    guard let identity = try identity(path) else {
      throw AdapterError(path: path, .system(call: "stat", code: SystemCalls.noSuchFile))
    }
    return identity.isDirectory
  }

  /// The folder with the weights, if `path` has a config without weights and one folder in it has weights: axolotl writes
  /// the config when a training begins, and the weights at its end or with a checkpoint.
  ///
  /// - Throws: If several folders have weights.
  private static func weightsInside(_ path: String) throws(AdapterError) -> (folder: String, hasConfig: Bool)? {
    guard try identity(join(path, configName)) != nil else { return nil }
    let names = [weightsName, pickleName] + TrainerFiles.all.map(\.weightsName)
    for name in names where try identity(join(path, name)) != nil { return nil }
    let folders = try folders(in: path, with: weightsName)
    guard let only = folders.first else { return nil }
    guard folders.count == 1 else { throw AdapterError(path: path, .severalWeights(folders)) }
    return (only, try identity(join(join(path, only), configName)) != nil)
  }

  /// The folder to look in, if `path` has neither file and one folder in it is clearly meant: PEFT saves an adapter
  /// whose name is not "default" in a folder of that name.
  ///
  /// - Throws: If there is more than one, or only checkpoints of a training, of which none is taken silently.
  private static func onlyAdapterFolder(in path: String) throws(AdapterError) -> String? {
    let names = [configName, weightsName, pickleName] + TrainerFiles.all.map(\.weightsName)
    for name in names where try identity(join(path, name)) != nil { return nil }
    let folders = try folders(in: path, with: configName)
    guard let only = folders.first else { return nil }
    if folders.count == 1, checkpointNumber(only) == nil { return only }
    throw AdapterError(path: path, .severalAdapters(folders))
  }

  /// N of `checkpoint-N`.
  private static func checkpointNumber(_ name: String) -> Int? {
    let prefix = "checkpoint-"
    return name.utf8.starts(with: prefix.utf8) ? Int(Substring(name.utf8.dropFirst(prefix.utf8.count))) : nil
  }

  /// The names of its tensors.
  func dialect(of tuner: any Tuner.Type) -> KeyDialect { trainer?.dialect ?? .peft(tuner) }

  func readConfig() throws(AdapterError) -> AdapterConfig {
    let text = try configText()
    let json: JSONValue
    do throws(JSONError) { json = try JSONParser.parse(text.span) } catch {
      throw AdapterError(path: configPath, .configNotJSON(error))
    }
    guard let trainer else { return try AdapterConfig(json, path: configPath) }
    let found = try trainer.read(json, configPath)
    return try AdapterConfig(found.config, path: configPath, scaling: found.scaling)
  }

  private func configText() throws(AdapterError) -> [UInt8] {
    let byteCount: Int
    do throws(FileError) {
      let file = try InputFile(path: configPath)
      byteCount = file.byteCount
      if byteCount <= Self.configByteLimit { return try file.bytes(0..<byteCount) }
    } catch { throw AdapterError(SafetensorsError(error)) }
    throw AdapterError(path: configPath, .configTooLarge(byteCount: byteCount, limit: Self.configByteLimit))
  }

  func readHeader() throws(AdapterError) -> SafetensorsHeader {
    do throws(SafetensorsError) { return try SafetensorsHeader(path: weightsPath) } catch { throw AdapterError(error) }
  }

  /// The folders directly inside that hold a file of this name: sorted by bytes, checkpoints last and by number.
  private static func folders(in path: String, with fileName: String) throws(AdapterError) -> [String] {
    let names: [String]
    do throws(SystemCalls.Failure) { names = try SystemCalls.entries(ofFolder: path) } catch {
      throw AdapterError(path: path, .system(call: error.call, code: error.code))
    }
    var folders: [(checkpoint: Int, name: String)] = []
    for name in names {
      let config = join(join(path, name), fileName)
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
