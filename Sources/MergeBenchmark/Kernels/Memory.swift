import Safetensors
import TileKernels

/// Elements in memory of their own, on a cache line's border, for one measurement after another.
final class Memory {
  let bytes: UnsafeMutableRawBufferPointer

  init(byteCount: Int) {
    bytes = .allocate(byteCount: byteCount, alignment: 64)
    // Every page is there before anything is timed.
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
  }

  /// Values of about 0.02 in size.
  static func values(_ count: Int, as type: ElementType) throws -> Memory {
    let memory = Memory(byteCount: (count * type.byteCount + 7) / 8 * 8)
    let values = try NormalValues(.weight, type.dtype)
    values.fill(memory.bytes.assumingMemoryBound(to: UInt64.self), byteCount: memory.bytes.count, key: UInt64(count))
    return memory
  }

  func part(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: bytes[range])
  }

  func elements<Element: BitwiseCopyable>(_: Element.Type, _ count: Int) -> UnsafeMutableBufferPointer<Element> {
    UnsafeMutableBufferPointer(rebasing: bytes.assumingMemoryBound(to: Element.self)[..<count])
  }

  deinit { bytes.deallocate() }
}
