import Platform

/// The reason that a matrix has no low-rank factors.
public struct LowRankError: ReportableError, Equatable {
  /// What is wrong.
  public enum Problem: Equatable, Sendable {
    /// Elements, or the sum of their squares, are infinite or NaN.
    case notFinite
    /// The eigenvalues of a matrix of this order did not converge.
    case notConverged(order: Int)
    /// A number of rows, columns or elements does not fit.
    case wrongShape(expected: Int, found: Int)
  }

  /// The file of the matrix; nil: the caller knows it.
  public let path: String?
  /// The tensor or module that the matrix belongs to.
  public let tensor: String?
  /// What is wrong.
  public let problem: Problem

  /// Makes an error about a matrix.
  public init(path: String? = nil, tensor: String? = nil, _ problem: Problem) {
    self.path = path
    self.tensor = tensor
    self.problem = problem
  }

  /// The same error about the matrix of a tensor in a file.
  public func of(path: String?, tensor: String?) -> LowRankError {
    LowRankError(path: path, tensor: tensor, problem)
  }

  public var file: String? { path }

  public var errorClass: String {
    switch problem {
    case .notFinite: "nonfinite"
    case .notConverged: "unsupported"
    case .wrongShape: "internal"
    }
  }

  public var category: ErrorCategory {
    if case .wrongShape = problem { .inputOutput } else { .refusedInput }
  }

  public var message: String {
    switch problem {
    case .notFinite: "the change has infinite or NaN elements, so there is no decomposition"
    case .notConverged(let order): "the eigenvalues of a matrix of order \(order) do not converge"
    case .wrongShape(let expected, let found): "internal error: \(found) elements where \(expected) are expected"
    }
  }

  public var hint: String? {
    if case .notFinite = problem { "find the damaged tensor with: safemerge check" } else { nil }
  }
}
