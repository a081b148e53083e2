import Platform
import Safetensors

/// A fault that was found.
public struct Finding: Sendable, Equatable {
  /// A stable, greppable identifier, such as "index" or "lora-bias-unscaled".
  public let findingClass: String
  /// The file that it is about, as the caller named it; nil if it is about no particular file.
  public let file: String?
  public let tensor: TensorName?
  /// What was found and what was expected. Names from files are included as they are: escape before printing.
  public let message: String

  public init(_ findingClass: String, file: String? = nil, tensor: TensorName? = nil, _ message: String) {
    self.findingClass = findingClass
    self.file = file
    self.tensor = tensor
    self.message = message
  }

  /// An error that a check reports as a finding: a fault of an input.
  public init(_ error: any ReportableError) {
    self.init(
      error.errorClass, file: error.file, tensor: error.tensor.map { TensorName($0) }, error.message)
  }

  /// File, tensor and message, joined by colons.
  public var description: String {
    [file, tensor?.string, message].compactMap { $0 }.joined(separator: ": ")
  }
}
