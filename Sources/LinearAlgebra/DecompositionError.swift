import Platform

/// The reason that a matrix could not be decomposed.
public struct DecompositionError: ReportableError, Equatable {
  /// The file of the matrix; nil: the error is about the library.
  public let path: String?
  /// The tensor or module that the matrix is.
  public let tensor: String?
  public let problem: LinearAlgebraError

  package init(path: String? = nil, tensor: String? = nil, _ problem: LinearAlgebraError) {
    self.path = path
    self.tensor = tensor
    self.problem = problem
  }

  public var file: String? { path }

  public var errorClass: String {
    switch problem {
    case .noLibrary, .libraryNotLoaded, .routineMissing, .noLibrariesInStaticProgram: "lapack"
    case .notFinite: "nonfinite"
    case .notConverged, .tooLarge: "unsupported"
    case .wrongShape, .badArgument: "internal"
    }
  }

  public var category: ErrorCategory {
    switch problem {
    case .wrongShape, .badArgument: .inputOutput
    default: .refusedInput
    }
  }

  public var message: String {
    switch problem {
    case .noLibrary(let tried):
      "the merge needs a decomposition of whole matrices, and there is no LAPACK: \(tried.joined(separator: ", ")) not "
        + "found"
    case .libraryNotLoaded(let name, let reason): "LAPACK cannot be opened as \(name): \(reason)"
    case .noLibrariesInStaticProgram:
      "the merge needs a decomposition of whole matrices, and this program is linked statically: it opens no LAPACK"
    case .routineMissing(let name, let routine): "\(name) is no LAPACK: it has no \(routine)"
    case .notFinite(let count): "\(count) elements are infinite or NaN: it has no decomposition"
    case .notConverged: "its singular value decomposition does not converge"
    case .tooLarge(let rows, let columns): "is \(rows) x \(columns), too large for LAPACK's 32-bit integers"
    case .wrongShape(let rows, let columns, let rank, let count):
      "internal error: rank \(rank) of \(rows) x \(columns) in \(count) elements"
    case .badArgument(let routine, let number): "internal error: argument \(number) of \(routine)"
    }
  }

  public var hint: String? {
    switch problem {
    case .noLibrary, .libraryNotLoaded, .routineMissing:
      "install Debian's libopenblas0 or liblapack3, or name a library with SAFEMERGE_LAPACK"
    case .noLibrariesInStaticProgram:
      "take a safemerge that is linked dynamically, such as the Debian package or one built from the source"
    default: nil
    }
  }
}
