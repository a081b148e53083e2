import Checkpoints
import Platform

/// Why a report may not have a path.
public struct ReportPlaceError: ReportableError, Equatable {
  /// What is wrong with the path.
  public enum Problem: Equatable, Sendable {
    /// It is the path of an input.
    case isInput(String)
    /// It lies in the folder of an input.
    case insideInput(String)
    /// It is a folder in which an input lies.
    case containsInput(String)
    /// It is the path of the output, or lies in it.
    case insideOutput(String)
    /// It lies in a folder of unfinished work, with which it would go.
    case insideWork(String)
    /// It is a folder's, or that of something else than a file.
    case notAFile
    /// A file has it; whether an option replaces that.
    case exists(isReplaceable: Bool)
    /// The folder around it does not exist.
    case noParentFolder
    /// Something else than a folder is where a folder around it would be.
    case parentNotAFolder(String)
  }

  public let path: String
  public let problem: Problem
  /// The option that gave the path.
  let option: String

  public var file: String? { path }

  public var errorClass: String {
    switch problem {
    case .isInput, .insideInput, .containsInput: "output-is-input"
    case .insideOutput, .insideWork: "report-place"
    case .notAFile, .exists: "output-exists"
    case .noParentFolder: "not-found"
    case .parentNotAFolder: "not-a-folder"
    }
  }

  public var category: ErrorCategory {
    switch problem {
    case .noParentFolder, .parentNotAFolder: .inputOutput
    default: .outputOccupied
    }
  }

  public var message: String {
    switch problem {
    case .isInput(let input): "the report is an input (\(input)), and no input is replaced"
    case .insideInput(let input): "the report is inside the input \(input)"
    case .containsInput(let input): "a folder that holds the input \(input), and the report is a file"
    case .insideOutput(let output): "the report is inside the output \(output), which holds only the model"
    case .insideWork(let folder): "the report is inside \(folder), a folder of unfinished work"
    case .notAFile: "not the path of a file, and the report is a file"
    case .exists: "already exists"
    case .noParentFolder: "cannot create the report: its parent folder does not exist"
    case .parentNotAFolder(let path): "cannot create the report: \(path) is not a folder"
    }
  }

  public var hint: String? {
    switch problem {
    case .exists(isReplaceable: true): "choose another \(option), or replace it with --force"
    case .exists(isReplaceable: false): "choose another \(option), or remove it"
    case .noParentFolder: "create it with: mkdir -p \(Paths.folder(path))"
    default: "choose another \(option)"
    }
  }
}
