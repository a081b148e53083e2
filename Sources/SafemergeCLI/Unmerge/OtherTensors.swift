import Platform

/// The model of `--against` does not have the tensors of the merged model.
struct OtherTensors: ReportableError {
  let path: String
  let tensor: String?
  /// The path of the merged model.
  let merged: String
  /// The shape in the model of `--against`; nil: it does not have the tensor.
  let found: [Int]?
  /// The shape in the merged model; nil: it does not have the tensor.
  let expected: [Int]?

  var file: String? { path }
  var errorClass: String { found == nil ? "missing-tensor" : "shape" }
  var category: ErrorCategory { .refusedInput }

  var message: String {
    switch (found, expected) {
    case (nil, _): "the model of --against does not have this tensor of \(merged)"
    case (_, nil): "\(merged) does not have this tensor of the model of --against"
    case (let found?, let expected?):
      "the shape is \(NumberText.shape(found)) in the model of --against, and \(NumberText.shape(expected)) in \(merged)"
    }
  }

  var hint: String? { "give --against the base of the merge, or omit it and use safemerge diff MODEL OUTPUT" }
}
