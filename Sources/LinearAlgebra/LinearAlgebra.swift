/// Decompositions of fp32 matrices by the system's LAPACK, which is opened at run time: nothing is linked, and who does not
/// use it needs none.
///
/// Matrices are row-major. The last bits of a result depend on the library, its version and its threads. Calls may run at
/// the same time; the memory that each takes is said by the functions that end in `ByteCount`.
public struct LinearAlgebra: Sendable {
  let library: LAPACKLibrary

  /// The name that the library was opened by.
  public var libraryName: String { library.name }

  /// The files that opening it loaded, itself among them.
  public var libraryFiles: [String] { library.files }

  /// Opens a LAPACK.
  ///
  /// - Parameter path: A library's path or name; nil: the first that the system has of those known by name, on Linux
  ///   `liblapack.so.3`, `libopenblas.so.0` and `libmkl_rt.so.2`, on macOS Accelerate.
  /// - Throws: ``LinearAlgebraError/noLibrary(tried:)``; for a given path what is wrong with it; in a program that was built with
  ///   `STATIC_EXECUTABLE` always ``LinearAlgebraError/noLibrariesInStaticProgram``.
  public init(path: String? = nil) throws(LinearAlgebraError) {
    #if STATIC_EXECUTABLE
    throw .noLibrariesInStaticProgram
    #else
    if let path {
      library = try LAPACKLibrary(path)
      return
    }
    for name in LAPACKLibrary.candidates {
      if let library = try? LAPACKLibrary(name) {
        self.library = library
        return
      }
    }
    throw .noLibrary(tried: LAPACKLibrary.candidates)
    #endif
  }

  /// Refuses what LAPACK would answer with rubbish, or not at all.
  static func check(_ matrix: [Float], rows: Int, columns: Int, rank: Int) throws(LinearAlgebraError) {
    let isRank = rank <= min(rows, columns) && rank >= min(1, rows, columns)
    guard rows >= 0, columns >= 0, isRank else {
      throw .wrongShape(rows: rows, columns: columns, rank: rank, elementCount: matrix.count)
    }
    guard isAddressable(rows: rows, columns: columns) else { throw .tooLarge(rows: rows, columns: columns) }
    guard matrix.count == rows * columns else {
      throw .wrongShape(rows: rows, columns: columns, rank: rank, elementCount: matrix.count)
    }
    let count = matrix.count { !$0.isFinite }
    guard count == 0 else { throw .notFinite(count: count) }
  }

  /// Whether a matrix of this shape, and its work space, fit LAPACK's 32-bit integers.
  public static func isAddressable(rows: Int, columns: Int) -> Bool {
    let limit = Int(Int32.max)
    // Each factor first, so that no product here overflows.
    return rows <= limit && columns <= limit && rows * columns <= limit
      && workCount(rows: rows, columns: columns) <= limit && qrWorkCount(columns: columns) <= limit
  }
}

/// Calls `body` with the addresses of four integers.
func withUnsafePointers(
  _ a: Int32, _ b: Int32, _ c: Int32, _ d: Int32,
  _ body: (UnsafePointer<Int32>, UnsafePointer<Int32>, UnsafePointer<Int32>, UnsafePointer<Int32>) -> Void
) {
  unsafe withUnsafePointer(to: a) { a in
    unsafe withUnsafePointer(to: b) { b in
      unsafe withUnsafePointer(to: c) { c in
        unsafe withUnsafePointer(to: d) { d in unsafe body(a, b, c, d) }
      }
    }
  }
}
