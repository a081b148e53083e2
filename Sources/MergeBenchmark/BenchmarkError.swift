import Platform
import Safetensors

/// Why a benchmark could not be made or measured: one line.
enum BenchmarkError: Error, Equatable, CustomStringConvertible {
  case system(call: String, path: String, code: Int32)
  case outputExists(String)
  case notPositive(option: String, value: Int)
  case headsDoNotDivide(hidden: Int, heads: Int)
  case groupsDoNotDivide(heads: Int, keyValueHeads: Int)
  case unknownTarget(String, known: [String])
  case tooManyShards(shards: Int, tensors: Int)
  case dtypeNotMade(DType)
  case formatOfFamily(format: String, family: String)
  case notInBlocks(option: String, value: Int, block: Int)
  case sparseCodes
  case doraOfExperts
  case cannotStart(program: String, code: Int32)
  case failed(command: String, ending: ChildProcess.Ending, message: String)
  case interrupted
  case noWeights(String)
  case fileChanged(String)
  case noOptimization

  var description: String {
    switch self {
    case .system(let call, let path, let code): "\(path): \(call): \(SystemCalls.text(of: code))"
    case .outputExists(let path): "\(path): exists; choose another name or remove it"
    case .notPositive(let option, let value): "\(option) is \(value); a number of at least 1 is expected"
    case .headsDoNotDivide(let hidden, let heads): "--heads \(heads) does not divide --hidden \(hidden) into even parts"
    case .groupsDoNotDivide(let heads, let keyValueHeads):
      "--kv-heads \(keyValueHeads) does not divide --heads \(heads)"
    case .unknownTarget(let name, let known):
      "--targets: \"\(name)\" is no module of this model; it has \(known.joined(separator: ", "))"
    case .tooManyShards(let shards, let tensors): "--shards \(shards): the model has only \(tensors) tensors"
    case .formatOfFamily(let format, let family):
      "--format \(format) is not made of --model \(family); mxfp4 is of gpt-oss, the others of llama and moe"
    case .notInBlocks(let option, let value, let block): "\(option) \(value) is not a multiple of \(block)"
    case .sparseCodes: "--sparse makes plain weights only"
    case .doraOfExperts: "--dora is not made of stacks of experts; say --targets q,k,v,o"
    case .dtypeNotMade(let dtype): "\(dtype.name): only BF16, F16 and F32 are made"
    case .cannotStart(let program, let code): "\(program): cannot be started: \(SystemCalls.text(of: code))"
    case .failed(let command, let ending, let message):
      "\(command): \(ending)" + (message.isEmpty ? "" : ": \(message)")
    case .interrupted: "interrupted"
    case .noWeights(let path): "\(path): no safetensors files of a model"
    case .fileChanged(let path): "\(path): became shorter while it was copied"
    case .noOptimization: "kernels of a debug build say nothing; use swift build -c release"
    }
  }

  /// Calls `body`, whose failures are about `path`.
  static func attempt<Value>(
    _ path: String, _ body: () throws(SystemCalls.Failure) -> Value
  ) throws(BenchmarkError) -> Value {
    do throws(SystemCalls.Failure) { return try body() } catch {
      throw .system(call: error.call, path: path, code: error.code)
    }
  }
}
