import Platform
import Safetensors

/// What a merge that did not end left for the next run.
public struct KeptWork: Sendable, Equatable {
  /// The staging folder.
  public let path: String
  public let finishedShards: Int
  public let shards: Int
  /// Bytes that are done of other shards.
  public let partialByteCount: Int

  /// In words; nil if it is nothing.
  public var summary: String? {
    var parts: [String] = []
    if finishedShards > 0 { parts.append("\(finishedShards) of \(shards) weight files") }
    if partialByteCount > 0 { parts.append("\(partialByteCount) bytes of unfinished ones") }
    return parts.isEmpty ? nil : "\(parts.joined(separator: " and ")) are kept in \(path)"
  }
}

/// The merge was asked to stop, and did.
public struct InterruptedMerge: Error, Equatable {
  public let kept: KeptWork
}

/// An error that leaves work which another run can go on with.
public struct UnfinishedMerge: ReportableError {
  public let cause: any ReportableError
  public let kept: KeptWork

  public var errorClass: String { cause.errorClass }
  public var category: ErrorCategory { cause.category }
  public var file: String? { cause.file }
  public var tensor: String? { cause.tensor }
  public var message: String { cause.message }
  public var candidates: [String] { cause.candidates }
  public var hint: String? {
    let parts = [cause.hint, kept.summary.map { "\($0): the same command goes on with them" }]
    return parts.compactMap { $0 }.joined(separator: "; ")
  }
}
