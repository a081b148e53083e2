/// Why a set of kernels cannot be used. `available` lists the names that can, fastest first.
public enum KernelSelectionError: Error, Equatable, Sendable {
  /// No build has kernels of this name.
  case unknown(name: String, available: [String])
  /// The kernels are for another architecture, or need instructions that this CPU does not have.
  case cannotRun(name: String, available: [String])
}

extension KernelSelectionError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unknown(let name, let available):
      "no kernels named \"\(name)\"; this machine can run \(available.joined(separator: ", "))"
    case .cannotRun(let name, let available):
      "this machine cannot run the \"\(name)\" kernels; it can run \(available.joined(separator: ", "))"
    }
  }
}
