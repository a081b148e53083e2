/// The reason that a decomposition could not be computed.
public enum LinearAlgebraError: Error, Equatable, Sendable {
  /// No library was found under any of the names that are tried.
  case noLibrary(tried: [String])
  /// The library that was asked for could not be opened; `reason` is the loader's.
  case libraryNotLoaded(name: String, reason: String)
  /// The program is linked statically: libraries that it opened would need a second C library.
  case noLibrariesInStaticProgram
  /// The library lacks one of LAPACK's routines.
  case routineMissing(name: String, routine: String)
  /// Elements of the matrix are infinite or NaN.
  case notFinite(count: Int)
  /// The iteration did not end.
  case notConverged
  /// The matrix, or its work space, has more elements than LAPACK's 32-bit integers count.
  case tooLarge(rows: Int, columns: Int)
  /// The number of elements, or of vectors asked for, does not fit the matrix.
  case wrongShape(rows: Int, columns: Int, rank: Int, elementCount: Int)
  /// LAPACK refused an argument: a fault of this module.
  case badArgument(routine: String, number: Int)
}
