import Checkpoints
import Checksums
import LinearAlgebra
import MergePlanning
import Safetensors
import Synchronization
import TileKernels

/// Takes matrices apart, one at a time: what each needs in memory is a multiple of the matrix, and LAPACK has threads of
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

  /// Checks, from shapes alone, that the tensors which `plan` takes a part out of are not too large for LAPACK.
  public static func check(_ plan: MergePlan) throws(DecompositionError) {
    for tensor in plan.updatedTensors {
      guard let update = tensor.update, update.residual != nil else { continue }
      if LinearAlgebra.isAddressable(rows: update.rows, columns: update.columns) { continue }
      throw DecompositionError(
        path: plan.inputs[tensor.source.input].path, tensor: tensor.name.string,
        .tooLarge(rows: update.rows, columns: update.columns))
    }
  }

  /// Calls `body` with the decompositions while nobody else has them.
  ///
  /// - Parameters:
  ///   - path: The file of the matrix, for errors.
  ///   - tensor: The matrix, for errors.
  func withTurn<Result: Sendable>(
    path: String, tensor: String, _ body: (LinearAlgebra) throws -> Result
  ) throws -> Result {
    try turn.withLock { _ in
      do { return try body(algebra) } catch let error as LinearAlgebraError {
        throw DecompositionError(path: path, tensor: tensor, error)
      }
    }
  }
}

extension MergePlan {
  /// Whether a part of a tensor is taken out of it, which needs a ``MatrixDecomposer``.
  public var needsDecompositions: Bool { updatedTensors.contains { $0.update?.residual != nil } }
}
