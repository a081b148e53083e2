import Platform

/// An error that leaves work from which another run can resume.
public struct UnfinishedMerge: ReportableError {
  public let cause: any ReportableError
  public let kept: KeptWork

  package init(cause: any ReportableError, kept: KeptWork) {
    self.cause = cause
    self.kept = kept
  }

  public var errorClass: String { cause.errorClass }
  public var category: ErrorCategory { cause.category }
  public var file: String? { cause.file }
  public var tensor: String? { cause.tensor }
  public var message: String { cause.message }
  public var candidates: [String] { cause.candidates }
  public var hint: String? {
    let parts = [cause.hint, kept.summary].compactMap { $0 }
    return parts.isEmpty ? nil : parts.joined(separator: "; ")
  }
}
