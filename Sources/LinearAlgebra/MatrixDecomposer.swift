import Checksums
import Platform
import Synchronization

/// Decomposes matrices, one at a time: what each needs in memory is a multiple of the matrix, and LAPACK has threads of
/// its own.
public final class MatrixDecomposer: Sendable {
  private let algebra: LinearAlgebra
  private let turn = Mutex<Void>(())

  /// The name that the LAPACK was opened by.
  public var libraryName: String { algebra.libraryName }

  /// What tells this LAPACK from others of its name: the SHA-256 over the names and checksums of the files that opening it
  /// loaded, without their folders; nil where they cannot be read, as on a system that keeps them in a cache of its own.
  public func libraryChecksum() throws -> SHA256Checksum? {
    var lines: [String] = []
    for path in algebra.libraryFiles {
      guard (try? SystemCalls.identity(path: path)) != nil else { continue }
      lines.append("\(try FileChecksum.of(path))  \(Paths.lastComponent(path))\n")
    }
    return lines.isEmpty ? nil : SHA256Checksum(of: Array(lines.sorted().joined().utf8))
  }

  /// Opens LAPACK.
  ///
  /// - Parameter path: A library's path or name; nil: the first that the system has.
  public init(lapack path: String? = nil) throws(DecompositionError) {
    do throws(LinearAlgebraError) { algebra = try LinearAlgebra(path: path) } catch { throw DecompositionError(error) }
  }

  /// Calls `body` with the decompositions while nobody else has them.
  ///
  /// - Parameters:
  ///   - path: The file of the matrix, for errors.
  ///   - tensor: The matrix, for errors.
  package func withTurn<Result: Sendable>(
    path: String, tensor: String, _ body: (LinearAlgebra) throws -> Result
  ) throws -> Result {
    try turn.withLock { _ in
      do { return try body(algebra) } catch let error as LinearAlgebraError {
        throw DecompositionError(path: path, tensor: tensor, error)
      }
    }
  }
}
