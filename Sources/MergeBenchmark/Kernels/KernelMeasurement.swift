import CBenchmark
import TileKernels

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// Measures cases and tells each as soon as it is known.
struct KernelMeasurement {
  let stopwatch: Stopwatch
  let output: Output
  /// nil: all.
  let wanted: Set<String>?

  func isWanted(_ name: String) -> Bool { wanted?.contains(name) ?? true }

  func tellHeader(_ kernels: KernelSet) {
    output.text("")
    output.text(
      Figures.padded(kernels.name, 16, left: true)
        + "dtype      rows  columns  rank    GB/s  GFLOP/s  reference        share")
  }

  /// Cases that are made only if their kernel is wanted.
  func measure(_ name: String, _ kernels: KernelSet, _ make: () throws -> [KernelCase]) throws {
    if isWanted(name) { for kernelCase in try make() { try measure(kernelCase, kernels) } }
  }

  func measureAll(_ names: [String], _ kernels: KernelSet, _ make: () throws -> [KernelCase]) throws {
    guard names.contains(where: isWanted) else { return }
    for kernelCase in try make() where isWanted(kernelCase.name) { try measure(kernelCase, kernels) }
  }

  private func measure(_ kernelCase: KernelCase, _ kernels: KernelSet) throws {
    let result: Stopwatch.Result
    let reference: String
    switch kernelCase.reference {
    case .multiplyAdds:
      let steps = max(1, kernelCase.operations / cbm_fma_step_operations(kernels.name))
      result = try stopwatch.compare(kernelCase.work) { Self.sink(cbm_fma_steps(kernels.name, steps)) }
      let rate = Double(steps * cbm_fma_step_operations(kernels.name)) / result.reference.median / 1e9
      reference = "\(Figures.fixed(rate, 1)) GFLOP/s"
      // Steps are whole: the share is that of the operations done.
      tell(
        kernelCase, kernels, result, reference,
        scale: Double(kernelCase.operations) / Double(steps * cbm_fma_step_operations(kernels.name)))
    case .copy:
      let half = kernelCase.byteCount / 2
      let (source, target) = (Memory(byteCount: half), Memory(byteCount: half))
      result = try stopwatch.compare(kernelCase.work) {
        memcpy(target.bytes.baseAddress!, source.bytes.baseAddress!, half)
      }
      reference = "\(Figures.fixed(Double(2 * half) / result.reference.median / 1e9, 1)) GB/s"
      tell(kernelCase, kernels, result, reference, scale: 1)
    }
  }

  private func tell(
    _ kernelCase: KernelCase, _ kernels: KernelSet, _ result: Stopwatch.Result, _ reference: String, scale: Double
  ) {
    let seconds = result.work.median
    let share = result.share.median * scale
    let bandwidth = Double(kernelCase.byteCount) / seconds / 1e9
    let operations = Double(kernelCase.operations) / seconds / 1e9
    output.text(
      Figures.padded(kernelCase.name, 16, left: true) + Figures.padded(kernelCase.type?.name ?? "", 5, left: true)
        + Figures.padded("\(kernelCase.rows)", 10) + Figures.padded("\(kernelCase.columns)", 9)
        + Figures.padded(kernelCase.rank.map(String.init) ?? "", 6) + Figures.padded(Figures.fixed(bandwidth, 1), 8)
        + Figures.padded(kernelCase.operations > 0 ? Figures.fixed(operations, 1) : "", 9)
        + Figures.padded(reference, 15) + Figures.padded("\(Figures.fixed(share * 100, 0)) %", 9))
    output.record("kernel") { writer in
      writer.member("set", kernels.name)
      writer.member("kernel", kernelCase.name)
      if let type = kernelCase.type { writer.member("dtype", type.name) }
      writer.member("rows", kernelCase.rows)
      writer.member("columns", kernelCase.columns)
      if let rank = kernelCase.rank { writer.member("rank", rank) }
      writer.member("bytes", kernelCase.byteCount)
      writer.member("operations", kernelCase.operations)
      writer.member("seconds_median", seconds)
      writer.member("seconds_best", result.work.smallest)
      writer.member("gbytes_per_second", bandwidth)
      writer.member("gflops_per_second", operations)
      writer.member("reference", kernelCase.reference == .copy ? "memcpy" : "fma")
      writer.member("reference_seconds_median", result.reference.median)
      writer.member("reference_seconds_best", result.reference.smallest)
      writer.member("share", share)
    }
  }

  /// Uses a value, so that the work for it is done.
  @inline(never)
  private static func sink(_ value: Float) {}
}
