import JSONText
import Synchronization

/// What a check reads from the data of a model, by file: measured, or recorded by the parts of a check.
///
/// A check asks for each value by a key where it would read data. So a check of records goes through the same rules in the same order
/// as one that reads, and comes to the same verdict.
package final class CheckedData: Sendable {
  /// Where values come from.
  package enum Mode: Sendable {
    /// Everything is measured, and nothing is kept.
    case everything
    /// The values of these files are measured and kept. There are none of others.
    case files(Set<String>)
    /// Everything was measured before; the values are from the records in this folder.
    case recorded(from: String)
  }

  /// The name under which the values are kept that belong to no weight file.
  package static let wholeModel = ""

  package let mode: Mode
  private let values: Mutex<[String: [String: JSONValue]]>

  /// - Parameters:
  ///   - mode: Where values come from.
  ///   - values: The recorded ones, by file and key.
  package init(_ mode: Mode = .everything, values: [String: [String: JSONValue]] = [:]) {
    self.mode = mode
    self.values = Mutex(values)
  }

  /// The values of a file, by key.
  package func values(of file: String) -> [String: JSONValue] { values.withLock { $0[file] ?? [:] } }

  /// Whether the values of a file are measured here.
  package func measures(_ file: String) -> Bool {
    switch mode {
    case .everything: true
    case .files(let files): files.contains(file)
    case .recorded: false
    }
  }

  package var isRecorded: Bool { if case .recorded = mode { true } else { false } }

  package var isWhole: Bool { if case .everything = mode { true } else { false } }

  /// Keeps a value of a file, if this is a part of a check.
  package func keep(_ value: @autoclosure () -> JSONValue, _ key: String, of file: String) {
    guard case .files(let files) = mode, files.contains(file) else { return }
    let value = value()
    values.withLock { $0[file, default: [:]][key] = value }
  }

  /// A recorded value.
  ///
  /// - Throws: ``CheckRecordError`` with `missingValue`, where the records are of another check.
  package func recorded(_ key: String, of file: String) throws(CheckRecordError) -> JSONValue {
    guard let value = values.withLock({ $0[file]?[key] }) else { throw missing(key, of: file) }
    return value
  }

  /// The error of a record without a value that can be read.
  package func missing(_ key: String, of file: String) -> CheckRecordError {
    let folder = if case .recorded(let folder) = mode { folder } else { file }
    return CheckRecordError(path: folder, .missingValue(key, of: Self.title(file)))
  }

  /// What messages call that of which values are kept.
  package static func title(_ file: String) -> String { file == wholeModel ? "what is in no weight file" : file }

  /// A value of a file: measured, or recorded.
  ///
  /// - Parameters:
  ///   - key: What is measured, the same in all processes.
  ///   - file: The name of a weight file, or ``wholeModel``.
  ///   - code: How the value is written and read; nil from it for a record that is wrong.
  ///   - measure: Measures it.
  /// - Returns: Nil: another part measures it.
  package func value<Value>(
    _ key: String, of file: String, _ code: Code<Value>, measure: () throws -> Value
  ) throws -> Value? {
    if isRecorded {
      guard let value = code.read(try recorded(key, of: file)) else { throw missing(key, of: file) }
      return value
    }
    guard measures(file) else { return nil }
    let value = try measure()
    keep(code.write(value), key, of: file)
    return value
  }

  /// How a value is written in a record.
  package struct Code<Value>: Sendable {
    let write: @Sendable (Value) -> JSONValue
    let read: @Sendable (JSONValue) -> Value?

    package init(write: @escaping @Sendable (Value) -> JSONValue, read: @escaping @Sendable (JSONValue) -> Value?) {
      self.write = write
      self.read = read
    }
  }
}

extension CheckedData.Code where Value == Bool {
  /// True or false.
  package static var truth: Self {
    Self(
      write: { .bool($0) },
      read: { value in
        guard case .bool(let truth) = value else { return nil }
        return truth
      })
  }
}
