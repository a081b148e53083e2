import Checkpoints
import JSONText
import Platform

/// How far merges in parts to an output are: what has its name, and what is left beside it.
public struct OutputStatus: Sendable {
  /// What has the output's name.
  public enum Found: String, Sendable {
    case nothing, empty, result, damaged, other
  }

  /// What has the output's name; `result` is a folder that holds the record of a merge and is not being filled, `damaged` is one
  /// that lacks files of that record.
  public let found: Found
  /// What the record of a result lists and is not there; weight files also where they have another size.
  public let missing: [String]
  /// Every plan of which parts are there: left over, if the result is there.
  public let plans: [PartsStatus]
  private let record: ResultRecord?

  /// - Parameter output: The path of the result.
  /// - Throws: `CheckpointError` or `FileError` for what this user may not read.
  public init(output: String) throws {
    // The parts of `.` are beside the name of that folder.
    let path = ResolvedPath.endsInDots(output) ? SystemCalls.realPath(output) ?? output : output
    // First: a finisher makes the result before it removes the parts.
    plans = try PartsStatus.all(output: path)
    record = try Self.record(path)
    missing = record.map { Self.missing($0, in: path) } ?? []
    found = try record == nil ? Self.found(path) : missing.isEmpty ? .result : .damaged
  }

  /// Whether the parts of a plan made the result that is there, and were not removed yet.
  public func isMade(of plan: PartsStatus) -> Bool {
    guard let record, let identity = plan.identity else { return false }
    return identity.decided(record)
  }

  /// The record in a finished result; nil if the path is no such folder.
  private static func record(_ path: String) throws -> ResultRecord? {
    guard try OutputPlace.identity(path)?.isDirectory == true,
      try OutputPlace.identity(Paths.join(path, ResultMarks.incomplete)) == nil,
      try OutputPlace.identity(ResultRecord.path(in: path))?.isRegularFile == true
    else { return nil }
    do {
      let record = try ResultRecord.read(in: path)
      return record?.options == nil ? nil : record
    } catch let error as any ReportableError {
      // What can be read, and is no record.
      if error.category == .refusedInput { return nil }
      throw error
    } catch is JSONError {
      return nil
    }
  }

  private static func missing(_ record: ResultRecord, in path: String) -> [String] {
    record.files.filter { file in
      guard let identity = try? SystemCalls.identity(path: Paths.join(path, file.name)) else { return true }
      // A configuration may have been edited since.
      return file.headerChecksum != nil && file.byteCount != nil && identity.byteCount != file.byteCount
    }.map(\.name)
  }

  private static func found(_ path: String) throws(CheckpointError) -> Found {
    guard let identity = try OutputPlace.identity(path) else {
      return try OutputPlace.identity(path, followingLinks: false) == nil ? .nothing : .other
    }
    guard identity.isDirectory else { return .other }
    return try FolderOnDisk().list(path).isEmpty ? .empty : .other
  }
}
