import Safetensors

/// Two adapters bring tokenizers of their own, and the result can have one.
struct SeveralTokenizers: ReportableError {
  let folders: [String]
  var errorClass: String { "tokenizers" }
  var category: ErrorCategory { .refusedInput }
  var file: String? { folders.first }
  var message: String { "has a tokenizer of its own, and so have \(folders.dropFirst().joined(separator: ", "))" }
  var hint: String? { "remove tokenizer_config.json from all but one of the adapters' folders" }
}

/// The adapter's tokenizer has tokens that the merged model has no rows for.
struct TokenizerTooLarge: ReportableError {
  let path: String
  let tokens: Int
  let rows: Int
  var errorClass: String { "tokenizers" }
  var category: ErrorCategory { .refusedInput }
  var file: String? { path }
  var message: String { "has \(tokens) tokens, but the merged embedding has \(rows) rows" }
  var hint: String? { "is this the adapter's base? its embedding was not saved with the adapter" }
}
