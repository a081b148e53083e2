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
      "the merge needs LAPACK, and none is installed (tried \(tried.joined(separator: ", ")))"
    case .libraryNotLoaded(let name, let reason): "cannot load LAPACK from \(name): \(reason)"
    case .noLibrariesInStaticProgram:
      "the merge needs LAPACK, which this statically linked program cannot load"
    case .routineMissing(let name, let routine): "\(name) is not a LAPACK library: it has no \(routine)"
    case .notFinite(let count): "\(NumberText.counted(count, "element")) infinite or NaN, so there is no decomposition"
    case .notConverged: "its singular value decomposition does not converge"
    case .tooLarge(let rows, let columns): "\(rows) x \(columns) is too large for LAPACK's 32-bit integers"
    case .wrongShape(let rows, let columns, let rank, let count):
      "internal error: rank \(rank) of \(rows) x \(columns) in \(count) elements"
    case .badArgument(let routine, let number): "internal error: argument \(number) of \(routine)"
    }
  }

  public var hint: String? {
    switch problem {
    case .noLibrary, .libraryNotLoaded, .routineMissing:
      "install libopenblas0 or liblapack3 (Debian), or set SAFEMERGE_LAPACK to a library"
    case .noLibrariesInStaticProgram:
      "use a dynamically linked safemerge: the Debian package, or a build from source"
    default: nil
    }
  }
}
