import Platform
import Safetensors

/// The findings of an inspection, with the paths of their files.
struct FindingLog {
  private let path: String
  private let folder: String?
  var findings: [Finding] = []
  /// Informational messages, which are no faults.
  var notes: [String] = []

  /// - Parameter folder: Where files are that findings name; nil: there is one file, at `path`.
  init(path: String, folder: String?) {
    self.path = path
    self.folder = folder
  }

  /// Adds a finding about a file of the folder; nil: about what is inspected as a whole.
  mutating func find(_ findingClass: String, _ name: String?, tensor: TensorName? = nil, _ message: String) {
    let file = name.map { name in folder.map { Paths.join($0, name) } ?? name } ?? path
    findings.append(Finding(findingClass, file: file, tensor: tensor, message))
  }

  /// An input/output error ends the inspection; what is wrong with a file is a finding.
  mutating func find(_ error: any ReportableError) throws {
    if error.category == .inputOutput { throw error }
    findings.append(Finding(error))
  }
}
