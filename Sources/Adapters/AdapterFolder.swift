import JSONText
import Safetensors

/// The files of an adapter in one folder.
struct AdapterFolder {
  static let configName = "adapter_config.json"
  static let weightsName = "adapter_model.safetensors"
  static let pickleName = "adapter_model.bin"
  /// Bytes of adapter_config.json; one with a pattern for each module of a large model has some 100 KiB.
  static let configByteLimit = 4 << 20

  let path: String
  let configPath: String
  let weightsPath: String

  /// - Throws: What is missing, if not both files are there.
  init(path: String) throws(AdapterError) {
    self.path = path
    configPath = Self.join(path, Self.configName)
    weightsPath = Self.join(path, Self.weightsName)
    guard let identity = try Self.identity(path) else {
      throw AdapterError(path: path, .system(call: "stat", code: SystemCalls.noSuchFile))
    }
    guard identity.isDirectory else { throw AdapterError(path: path, .notAFolder) }
    let hasConfig = try Self.identity(configPath) != nil
    let hasWeights = try Self.identity(weightsPath) != nil
    if hasConfig, hasWeights { return }
    if !hasWeights, try Self.identity(Self.join(path, Self.pickleName)) != nil {
      throw AdapterError(path: Self.join(path, Self.pickleName), .pickle)
    }
    throw AdapterError(
      path: path,
      .missingFile(
        hasConfig ? Self.weightsName : Self.configName, adapterFolders: hasConfig ? [] : try adapterFolders()))
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

  /// The folders directly inside that hold an adapter's config.
  private func adapterFolders() throws(AdapterError) -> [String] {
    let names: [String]
    do throws(SystemCalls.Failure) { names = try SystemCalls.entries(ofFolder: path) } catch {
      throw AdapterError(path: path, .system(call: error.call, code: error.code))
    }
    var folders: [String] = []
    for name in names {
      let config = Self.join(Self.join(path, name), Self.configName)
      // A folder that may not be entered is no candidate.
      if let found = try? SystemCalls.identity(path: config), found.isRegularFile { folders.append(name) }
    }
    return folders
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
