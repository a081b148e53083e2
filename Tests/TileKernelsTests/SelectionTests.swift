import Testing
import TileKernels

@Suite("Choosing kernels")
struct SelectionTests {
  static let known = ["avx512bf16", "avx512", "avx2", "neon", "portable"]

  @Test("What can run is listed fastest first, and ends with the portable kernels")
  func available() throws {
    let names = KernelSet.available.map(\.name)
    #expect(names == Self.known.filter(names.contains))
    #expect(names.last == "portable")
    #expect(KernelSet.best.name == names.first)
    #if arch(arm64)
    #expect(names == ["neon", "portable"])
    #else
    #expect(!names.contains("neon"))
    #expect(!names.contains("avx512bf16") || names.contains("avx512"))
    #expect(!names.contains("avx512") || names.contains("avx2"))
    #endif
  }

  @Test("A name gives those kernels, or says that they cannot run here", arguments: known)
  func named(name: String) throws {
    let names = KernelSet.available.map(\.name)
    if names.contains(name) {
      #expect(try KernelSet.named(name).name == name)
      #expect(try KernelSet.selected(environment: name).name == name)
    } else {
      let error = KernelSelectionError.cannotRun(name: name, available: names)
      #expect(throws: error) { try KernelSet.named(name) }
      #expect(throws: error) { try KernelSet.selected(environment: name) }
      #expect(error.description.contains(#"cannot run the "\#(name)" kernels"#))
    }
  }

  @Test("An unknown name lists what can run", arguments: ["sse9", "AVX2", " avx2", "avx2\0", "portable,avx2"])
  func unknown(name: String) {
    let names = KernelSet.available.map(\.name)
    let error = KernelSelectionError.unknown(name: name, available: names)
    #expect(throws: error) { try KernelSet.named(name) }
    #expect(throws: error) { try KernelSet.selected(environment: name) }
    for available in names { #expect(error.description.contains(available)) }
  }

  @Test("The environment: unset and empty mean the best, off means portable")
  func environment() throws {
    #expect(try KernelSet.selected(environment: nil).name == KernelSet.best.name)
    #expect(try KernelSet.selected(environment: "").name == KernelSet.best.name)
    #expect(try KernelSet.selected(environment: "off").name == "portable")
    #expect(throws: KernelSelectionError.self) { try KernelSet.named("off") }
  }
}
