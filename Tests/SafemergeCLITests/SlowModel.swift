import Foundation
import Safetensors
import TestSupport

/// A base of several shards whose merge takes long enough to be interrupted, and an adapter for it.
struct SlowModel {
  let scratch: Scratch
  let base: String
  let adapter: String
  static let shardCount = 4
  /// One thread and the slowest kernels.
  static let options = ["-j", "1"]
  static let environment = ["SAFEMERGE_SIMD": "portable"]

  /// - Parameter part: The part of a pipeline of diffusers that the shards are; nil: they are a model.
  init(size: Int = 1024, rank: Int = 32, part: String? = nil) throws {
    scratch = try Scratch()
    base = try scratch.folder("base")
    let folder = try scratch.folder(part.map { "base/" + $0 } ?? "base")
    var random = SeededGenerator()
    // Finite numbers below 1: the highest byte of each is 0x3E or 0xBE.
    let block = (0..<1 << 12).flatMap { _ in
      let bits = UInt32(truncatingIfNeeded: random.next()) & 0x80FF_FFFF | 0x3E00_0000
      return (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) }
    }
    var count = 0
    func tensor(_ name: String, _ rows: Int, _ columns: Int) -> TestTensor {
      count += 1
      var bytes = Array(block[(4 * count)...])
      while bytes.count < rows * columns * 4 { bytes += block }
      return TestTensor(name, .f32, [rows, columns], bytes: Array(bytes[..<(rows * columns * 4)]))
    }
    let shards = (0..<Self.shardCount).map { number in
      (
        name: "model-\(number).safetensors",
        tensors: ["a", "b"].map { tensor("layers.\(number).\($0).weight", size, size) }
          + [TestTensor("layers.\(number).norm", .f32, [size])]
      )
    }
    for shard in shards { try writeFile(folder + "/" + shard.name, shard.tensors) }
    try writeIndex(folder, shards)
    if let part {
      try scratch.write("{\"\(part)\": [\"transformers\", \"T5EncoderModel\"]}", to: "base/model_index.json")
      try scratch.write("{}", to: "base/\(part)/config.json")
    }
    let prefix = part.map { $0 + "/" } ?? ""
    let factors = (0..<Self.shardCount).flatMap { number in
      ["a", "b"].flatMap { name in
        [
          tensor("\(prefix)layers.\(number).\(name).lora_A.weight", rank, size),
          tensor("\(prefix)layers.\(number).\(name).lora_B.weight", size, rank),
        ]
      }
    }
    adapter = try writeAdapter(scratch.file("adapter"), rank: rank, alpha: "1", factors)
  }

  func arguments(_ output: String, _ more: [String] = []) -> [String] {
    ["merge", base, adapter, "-o", output] + Self.options + more
  }

  func merge(_ output: String, _ more: [String] = [], shell: String? = nil) throws -> Program.Result {
    // Where a script waits for a shard, -v names it.
    try Program.run(arguments(output, more + (shell == nil ? [] : ["-v"])), shell: shell, environment: Self.environment)
  }

  /// A shell script that runs the program, waits for a line of it that matches `pattern`, sends it a signal, and ends as
  /// it does.
  ///
  /// - Parameter stream: Where the line is looked for: standard output 1, standard error 2.
  static func signalling(_ signal: String, after pattern: String, pause: String = "0", stream: Int = 2) -> String {
    meddling("kill -\(signal) $process 2>/dev/null", after: pattern, pause: pause, stream: stream)
  }

  /// A shell script that runs the program, waits for a line of it that matches `pattern`, runs a command, and ends as the program
  /// does.
  static func meddling(
    _ command: String, after pattern: String, pause: String = "0", stream: Int = 2
  ) -> String {
    """
    log="$TMPDIR/log"
    # A shell lets what it starts in the background ignore SIGINT.
    perl -e '$SIG{$_} = "DEFAULT" for qw(INT HUP TERM); exec @ARGV' "$0" "$@" \(stream)>"$log" & process=$!
    until grep -q "\(pattern)" "$log" || ! kill -0 $process 2>/dev/null; do sleep 0.01; done
    sleep \(pause)
    \(command)
    wait $process
    status=$?
    cat "$log" >&\(stream)
    exit $status
    """
  }
}
