import Platform
import Safetensors

/// The adapter's tokenizer has tokens that the merged model has no rows for.
public struct TokenizerTooLarge: ReportableError, Equatable {
  public let path: String
  public let tokens: Int
  public let rows: Int
  public var errorClass: String { "tokenizers" }
  public var category: ErrorCategory { .refusedInput }
  public var file: String? { path }
  public var message: String { "the tokenizer has \(tokens) tokens, but the merged embedding only \(rows) rows" }
  public var hint: String? { "is it another base? The adapter was saved without its embedding" }
}
