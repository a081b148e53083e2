import Checkpoints
import JSONText
import Platform
import Safetensors

/// The differences of two model or adapter folders apart from their weights: equal tensors are another model if
/// config.json or adapter_config.json differs.
public struct FolderDifference: Sendable, Equatable {
  /// A member of config.json or adapter_config.json, by the path of its keys, with its JSON text in each.
  public struct Member: Sendable, Equatable {
    public let file: String
    /// The keys, joined by dots.
    public let key: String
    /// Nil where it is absent.
    public let left: String?
    public let right: String?

    /// Whether it does not affect what the model computes, such as its origin or the program that wrote it.
    public var isOrigin: Bool {
      ["_name_or_path", "transformers_version", "peft_version", "_diffusers_version"].contains(key)
    }
  }

  /// Another file of the folders, such as a tokenizer.
  public struct File: Sendable, Equatable {
    public let name: String
    /// The side that has it; nil if both have it and its bytes differ.
    public let onlySide: Side?
  }

  public enum Side: String, Sendable { case left, right }

  /// Differing members, in the order of the files and their keys.
  public private(set) var members: [Member] = []
  /// By name.
  public private(set) var files: [File] = []

  /// Whether the configurations differ in a way that affects the model.
  public var hasDifference: Bool { members.contains { !$0.isOrigin } }

  /// Also in the folders of a pipeline's parts.
  private static let configNames = ["config.json", "adapter_config.json", PipelineIndex.fileName]

  private static func isConfig(_ name: String) -> Bool { configNames.contains(Paths.lastComponent(name)) }

  /// Compares two folders; nothing differs if one is not a folder or both are the same.
  ///
  /// - Parameter comparesFiles: Whether the bytes of other files are compared.
  /// - Throws: `CheckpointError` for a configuration that cannot be read or parsed, `SafetensorsError` for another
  ///   file.
  init(_ left: String?, _ right: String?, comparesFiles: Bool) throws {
    guard let left, let right, !Paths.areEqual(left, right) else { return }
    let (one, other) = (try Self.names(left), try Self.names(right))
    let configs = one.intersection(other).filter(Self.isConfig)
    for name in configs.sorted(by: Self.precedes) {
      let (path, otherPath) = (Paths.join(left, name), Paths.join(right, name))
      compare(try Checkpoint.readConfig(path), try Checkpoint.readConfig(otherPath), file: name, key: "")
    }
    guard comparesFiles else { return }
    for name in one.union(other).sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
      if !other.contains(name) {
        files.append(File(name: name, onlySide: .left))
      } else if !one.contains(name) {
        files.append(File(name: name, onlySide: .right))
      } else if !Self.isConfig(name),
        try !FileReading.areEqual(Paths.join(left, name), Paths.join(right, name))
      {
        files.append(File(name: name, onlySide: nil))
      }
    }
  }

  /// config.json comes before the others, as its differences count most.
  private static func precedes(_ one: String, _ other: String) -> Bool {
    let ranks = [one, other].map { configNames.firstIndex(of: $0) ?? configNames.count }
    return ranks[0] == ranks[1] ? one.utf8.lexicographicallyPrecedes(other.utf8) : ranks[0] < ranks[1]
  }

  /// Regular files that are neither weights nor hidden; of a pipeline those in its folders too.
  private static func names(_ folder: String) throws -> Set<String> {
    let depth = try PipelineIndex(folder) == nil ? 0 : 8
    return Set(try names(folder, depth: depth))
  }

  private static func names(_ folder: String, depth: Int) throws(CheckpointError) -> [String] {
    let entries = try CheckpointError.attempt(folder) { () throws(SystemCalls.Failure) in
      try SystemCalls.entries(ofFolder: folder)
    }
    var found: [String] = []
    for name in entries where !name.hasPrefix(".") {
      let path = Paths.join(folder, name)
      let identity = try? SystemCalls.identity(path: path)
      if identity?.isDirectory == true, depth > 0 {
        found += try names(path, depth: depth - 1).map { Paths.join(name, $0) }
      } else if identity?.isRegularFile == true, !isWeights(name) {
        found.append(name)
      }
    }
    return found
  }

  private static func isWeights(_ name: String) -> Bool {
    name.hasSuffix(".safetensors") || name.contains(".safetensors.") && name.hasSuffix(".json")
  }

  private mutating func compare(_ left: JSONValue, _ right: JSONValue, file: String, key: String) {
    guard left != right else { return }
    guard case .object(let one) = left, case .object(let other) = right else {
      members.append(Member(file: file, key: key, left: Self.text(left), right: Self.text(right)))
      return
    }
    let keys = one.map(\.key) + other.map(\.key).filter { left[$0] == nil }
    for name in keys {
      let path = key.isEmpty ? name : key + "." + name
      switch (left[name], right[name]) {
      case (let a?, let b?): compare(a, b, file: file, key: path)
      case (let a, let b):
        members.append(Member(file: file, key: path, left: a.map(Self.text), right: b.map(Self.text)))
      }
    }
  }

  private static func text(_ value: JSONValue) -> String {
    var writer = JSONWriter(escapesUnprintable: true)
    writer.value(value)
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}
