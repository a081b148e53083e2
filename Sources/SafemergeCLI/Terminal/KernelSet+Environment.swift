import ArgumentParser
import JSONText
import Platform
import TileKernels

extension KernelSet {
  /// The kernels that the environment asks for, else the best.
  ///
  /// - Throws: An error of wrong usage for a name that is unknown, or that this processor cannot run.
  static func chosen() throws -> KernelSet {
    do throws(KernelSelectionError) {
      return try KernelSet.selected(environment: ProcessEnvironment.variables["SAFEMERGE_SIMD"])
    } catch { throw ValidationError("invalid SAFEMERGE_SIMD: \(error.description)".escapingUnprintable) }
  }
}
