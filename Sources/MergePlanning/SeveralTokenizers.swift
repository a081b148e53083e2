import Platform
import Safetensors

/// Two adapters bring tokenizers of their own, and the result can have one.
public struct SeveralTokenizers: ReportableError, Equatable {
  public let folders: [String]
  public var errorClass: String { "tokenizers" }
  public var category: ErrorCategory { .refusedInput }
  public var file: String? { folders.first }
  public var message: String {
    "this adapter and \(folders.dropFirst().joined(separator: ", ")) have different tokenizers"
  }
  public var hint: String? { "remove tokenizer_config.json from all but one of the adapter folders" }
}
