#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// The Fortran routines of a LAPACK library that was opened at run time; it stays open, because its threads may not be
/// unloaded.
///
/// Arguments are addresses, integers are 32 bits wide (LP64), and behind the last one stands the hidden length of each
/// character argument, which libraries without it do not look at.
@safe
struct LAPACKLibrary: Sendable {
  typealias Decomposition =
    @convention(c) (
      _ job: UnsafePointer<CChar>, _ rows: UnsafePointer<Int32>, _ columns: UnsafePointer<Int32>,
      _ matrix: UnsafeMutablePointer<Float>, _ rowCapacity: UnsafePointer<Int32>,
      _ singularValues: UnsafeMutablePointer<Float>, _ left: UnsafeMutablePointer<Float>,
      _ leftCapacity: UnsafePointer<Int32>, _ right: UnsafeMutablePointer<Float>,
      _ rightCapacity: UnsafePointer<Int32>, _ work: UnsafeMutablePointer<Float>, _ workCount: UnsafePointer<Int32>,
      _ integerWork: UnsafeMutablePointer<Int32>, _ info: UnsafeMutablePointer<Int32>, _ jobLength: Int
    ) -> Void
  typealias Factorization =
    @convention(c) (
      _ rows: UnsafePointer<Int32>, _ columns: UnsafePointer<Int32>, _ matrix: UnsafeMutablePointer<Float>,
      _ rowCapacity: UnsafePointer<Int32>, _ scales: UnsafeMutablePointer<Float>,
      _ work: UnsafeMutablePointer<Float>, _ workCount: UnsafePointer<Int32>, _ info: UnsafeMutablePointer<Int32>
    ) -> Void
  typealias Generation =
    @convention(c) (
      _ rows: UnsafePointer<Int32>, _ columns: UnsafePointer<Int32>, _ reflectorCount: UnsafePointer<Int32>,
      _ matrix: UnsafeMutablePointer<Float>, _ rowCapacity: UnsafePointer<Int32>, _ scales: UnsafePointer<Float>,
      _ work: UnsafeMutablePointer<Float>, _ workCount: UnsafePointer<Int32>, _ info: UnsafeMutablePointer<Int32>
    ) -> Void
  typealias Multiplication =
    @convention(c) (
      _ side: UnsafePointer<CChar>, _ transposition: UnsafePointer<CChar>, _ rows: UnsafePointer<Int32>,
      _ columns: UnsafePointer<Int32>, _ reflectorCount: UnsafePointer<Int32>, _ reflectors: UnsafePointer<Float>,
      _ reflectorCapacity: UnsafePointer<Int32>, _ scales: UnsafePointer<Float>,
      _ matrix: UnsafeMutablePointer<Float>, _ rowCapacity: UnsafePointer<Int32>,
      _ work: UnsafeMutablePointer<Float>, _ workCount: UnsafePointer<Int32>, _ info: UnsafeMutablePointer<Int32>,
      _ sideLength: Int, _ transpositionLength: Int
    ) -> Void

  /// The name that it was opened by.
  let name: String
  /// The files that opening it loaded, itself among them: a LAPACK takes the sums of its products from a BLAS.
  let files: [String]
  nonisolated(unsafe) let sgesdd: Decomposition
  nonisolated(unsafe) let sgeqrf: Factorization
  nonisolated(unsafe) let sorgqr: Generation
  nonisolated(unsafe) let sormqr: Multiplication

  #if canImport(Darwin)
  static let candidates = ["/System/Library/Frameworks/Accelerate.framework/Accelerate"]
  #else
  static let candidates = ["liblapack.so.3", "libopenblas.so.0", "libmkl_rt.so.2"]
  #endif

  /// Opens `name`, which may be a path or a library that the system's loader finds.
  init(_ name: String) throws(LinearAlgebraError) {
    let before = Set(LoadedFiles.paths)
    guard let handle = unsafe dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
      throw .libraryNotLoaded(name: name, reason: unsafe dlerror().map { unsafe String(cString: $0) } ?? "")
    }
    func symbol(_ routine: String) throws(LinearAlgebraError) -> UnsafeMutableRawPointer {
      guard let address = unsafe dlsym(handle, routine) else {
        throw .routineMissing(name: name, routine: routine)
      }
      return unsafe address
    }
    self.name = name
    let own = try unsafe LoadedFiles.path(of: symbol("sgesdd_"))
    files = Set(LoadedFiles.paths).subtracting(before).union([own].compactMap { $0 }).sorted()
    unsafe sgesdd = unsafeBitCast(try symbol("sgesdd_"), to: Decomposition.self)
    unsafe sgeqrf = unsafeBitCast(try symbol("sgeqrf_"), to: Factorization.self)
    unsafe sorgqr = unsafeBitCast(try symbol("sorgqr_"), to: Generation.self)
    unsafe sormqr = unsafeBitCast(try symbol("sormqr_"), to: Multiplication.self)
  }
}
