import Adapters
import Platform
import Safetensors

/// An adapter that is one file is given where the base is expected.
struct AdapterAsBase: ReportableError {
  let path: String
  /// Whether nothing else was given.
  let isAlone: Bool

  /// Nil: the path is something else, or no file that can be read.
  init?(_ path: String, isAlone: Bool) {
    guard let identity = try? SystemCalls.identity(path: path), identity.isRegularFile,
      let header = try? SafetensorsHeader(path: path), Adapter.isAdapter(header)
    else { return nil }
    self.path = path
    self.isAlone = isAlone
  }

  var errorClass: String { "base" }
  var category: ErrorCategory { .refusedInput }
  var file: String? { path }

  var message: String {
    isAlone ? "no base is given, and an adapter in one file does not name one" : "this is an adapter, not a model"
  }

  var hint: String? { "the base comes first, then the adapters: safemerge merge BASE ADAPTER -o OUTPUT" }
}
