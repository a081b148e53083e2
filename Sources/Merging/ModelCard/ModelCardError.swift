import Checkpoints
import Platform

/// A model card cannot be written.
public struct ModelCardError: ReportableError {
  enum Problem {
    /// The result is one file, beside which nothing is written.
    case resultIsFile
    /// The base's card is to be copied to the same place.
    case baseCardIncluded
  }

  public let file: String?
  let problem: Problem
  public var errorClass: String { "model-card" }
  public var category: ErrorCategory { .refusedInput }

  public var message: String {
    switch problem {
    case .resultIsFile: "the output is a single file, and a model card is README.md in a folder"
    case .baseCardIncluded: "is copied to the output, where the model card has the same name"
    }
  }

  public var hint: String? {
    switch problem {
    case .resultIsFile: "leave out --model-card, or name the folder of the base"
    case .baseCardIncluded: "leave out --model-card, or the --include-file pattern that matches README.md"
    }
  }

  static func check(_ request: MergeRequest, _ sideFiles: SideFiles) throws(ModelCardError) {
    guard request.modelCard != nil else { return }
    guard request.resultIsFolder else { throw ModelCardError(file: request.output, problem: .resultIsFile) }
    // A file system that ignores case has one file for both.
    if let file = sideFiles.files.first(where: { $0.name.lowercased() == ModelCard.fileName.lowercased() }) {
      throw ModelCardError(file: file.sourcePath, problem: .baseCardIncluded)
    }
  }
}
