import JSONText
import Platform
import Safetensors

/// The reason that a model on disk, or a place for one, was refused.
public struct CheckpointError: ReportableError, Equatable {
  public enum Problem: Equatable, Sendable {
    case notFound
    case notAFolder
    /// The folder holds no weights that can be selected; the other weight files in it.
    case noWeights(others: [String])
    case pickleOnly(String)
    /// Several variants of the same weights side by side, and the parts of a pipeline that have them.
    case severalVariants([String], parts: [String])
    case noSuchVariant(String, found: [String])
    /// A part that model_index.json names has no folder.
    case missingPart(String, className: String)
    /// The folder of a part whose class has weights holds none.
    case partWithoutWeights(className: String)
    /// A name in model_index.json that is not a plain folder in the pipeline's folder.
    case unsafePartName(String)
    case fileTooLarge(byteCount: Int, limit: Int)
    case json(JSONError)
    case notAnObject
    case indexField(String)
    /// A file name in `weight_map` that is not a plain relative path to a safetensors file in the folder.
    case unsafeShardName(String)
    /// Two file names in `weight_map` that a case-insensitive file system takes for one.
    case collidingShardNames(String, String)
    case missingShard(String)
    /// Some shards of a set without an index.
    case incompleteShards(found: Int, count: Int, firstMissing: Int)
    /// A folder in a name from an index is a link or a file.
    case notAPlainFolder
    /// A shard has a tensor that the index does not name.
    case tensorNotInIndex(shard: String)
    /// The index names one shard, and another shard has the tensor.
    case tensorInOtherShard(indexed: String, found: String)
    /// Two shards have the tensor.
    case tensorInTwoShards(String, String)
    case tensorIndexedTwice
    case sideFileNotRegular
    case sideFileOutside(realPath: String)
    case sideFileTooLarge(byteCount: Int, limit: Int)
    /// A name that is not UTF-8, with its bytes written as escapes.
    case nameNotUTF8(String)
    /// The base's folder holds more than a model has.
    case tooManySideFiles(Int)
    /// A pattern of `--include-file` matches no file.
    case nothingToInclude(pattern: String)
    case outputExists
    /// Something has the name of an output that replaces nothing.
    case outputStays
    /// Something that is never replaced, whatever the options.
    case outputInTheWay(found: String, wanted: String)
    /// A mount point cannot be replaced, and this one is not empty.
    case mountNotEmpty(entry: String)
    /// Another run writes to the same output.
    case inUse(host: String?, process: Int?, isDead: Bool)
    /// Another run began to write to the same output although this one had its lock.
    case takenOver(host: String?, process: Int?)
    /// The staging folder has this program's name, but another user could have created it.
    case stagingNotOurs
    /// The staging folder holds an unfinished merge with other settings.
    case otherMerge(String)
    /// The file system does not have enough space for the output.
    case noSpace(needed: Int, available: Int)
    /// The content of a file on disk differs from what was written.
    case notAsWritten(expected: String, found: String)
    case outputNotReplaceable(entry: String)
    case outputIsInput(String)
    case outputInsideInput(String)
    case inputInsideOutput(String)
    /// The output is in a folder of unfinished work, which goes with that.
    case outputInsideWork(String)
    /// The path ends in `.` or `..`, and a result is moved into place under a name.
    case outputWithoutName
    case outputNotASafetensorsName
    case outputLooksLikeFile
    case noParentFolder
    /// Something else than a folder is where the parent folder or one around it would be.
    case parentNotAFolder(String)
    case changed
    case system(call: String, code: Int32)
  }

  public let path: String
  public let problem: Problem
  public let tensorName: TensorName?

  public init(path: String, _ problem: Problem, tensor: TensorName? = nil) {
    self.path = path
    self.problem = problem
    self.tensorName = tensor
  }

  public var file: String? { path }
  public var tensor: String? { tensorName?.string }

  public var errorClass: String {
    switch problem {
    case .notFound, .missingShard, .incompleteShards, .missingPart, .noParentFolder: "not-found"
    case .notAFolder, .parentNotAFolder: "not-a-folder"
    case .noWeights, .partWithoutWeights: "no-weights"
    case .severalVariants, .noSuchVariant: "variant"
    case .pickleOnly: "pickle"
    case .fileTooLarge: "too-large"
    case .json(let error):
      if case .duplicateKey = error.reason { "duplicate-key" } else { "json" }
    case .notAnObject, .indexField: "schema"
    case .unsafeShardName, .unsafePartName, .collidingShardNames, .notAPlainFolder: "shard-name"
    case .tensorNotInIndex, .tensorInOtherShard, .tensorInTwoShards: "index"
    case .tensorIndexedTwice: "duplicate-key"
    case .sideFileNotRegular, .sideFileOutside, .sideFileTooLarge, .nameNotUTF8, .tooManySideFiles, .nothingToInclude:
      "side-file"
    case .outputExists, .outputStays, .outputInTheWay, .mountNotEmpty, .outputNotReplaceable, .outputWithoutName:
      "output-exists"
    case .inUse, .takenOver: "in-use"
    case .stagingNotOurs: "staging"
    case .otherMerge: "other-merge"
    case .noSpace: "space"
    case .notAsWritten: "not-as-written"
    case .outputIsInput, .outputInsideInput, .inputInsideOutput: "output-is-input"
    case .outputNotASafetensorsName, .outputLooksLikeFile, .outputInsideWork: "output-name"
    case .changed: "changed"
    case .system(let call, let code): SystemCalls.isAboutMissingPath(call, code) ? "not-found" : "system"
    }
  }

  public var category: ErrorCategory {
    switch problem {
    case .system, .changed, .notFound, .noParentFolder, .parentNotAFolder, .noSpace, .notAsWritten: .inputOutput
    case .outputExists, .outputStays, .outputInTheWay, .mountNotEmpty, .outputNotReplaceable, .outputIsInput,
      .outputInsideInput, .inputInsideOutput, .outputInsideWork, .outputWithoutName, .inUse, .takenOver,
      .stagingNotOurs, .otherMerge:
      .outputOccupied
    default: .refusedInput
    }
  }

  public var message: String {
    switch problem {
    case .notFound: "no such file or folder"
    case .notAFolder: "neither a folder nor a regular file"
    case .noWeights(let others):
      "no model.safetensors or model.safetensors.index.json in this folder"
        + (others.isEmpty ? "" : "; it holds \(Self.list(others))")
    case .pickleOnly(let name):
      "no safetensors weights in this folder; \(name) is a Python pickle, which is never opened"
    case .severalVariants(let names, let parts):
      "several variants of the same weights: \(names.joined(separator: ", "))"
        + (parts.isEmpty ? "" : " (in \(Self.list(parts)))")
    case .noSuchVariant(let name, let found): "no variant \"\(name)\" of the weights; found \(Self.list(found))"
    case .missingPart(let name, let className): "names the part \(name) (\(className)), whose folder does not exist"
    case .partWithoutWeights(let className): "no weights in this folder, which model_index.json names as \(className)"
    case .unsafePartName(let name): "invalid part \"\(name)\"; expected the name of a folder beside this file"
    case .fileTooLarge(let byteCount, let limit):
      "the file has \(NumberText.bytes(byteCount)); at most \(NumberText.bytes(limit)) are read"
    case .json(let error): "not valid JSON: \(error)"
    case .notAnObject: "not a JSON object"
    case .indexField(let what): what
    case .unsafeShardName(let name):
      "invalid file name \"\(name)\"; expected a relative path to a .safetensors file in the same folder"
    case .collidingShardNames(let one, let other):
      "weight_map has both \"\(one)\" and \"\(other)\", which are one file on some file systems"
    case .incompleteShards(let found, let count, let missing):
      "\(found) of \(count) shards and no index in this folder; the first missing shard is number \(missing)"
    case .notAPlainFolder: "a link or a file, not a folder; shards behind links to folders are not read"
    case .missingShard(let name): "the file \"\(name)\" in weight_map does not exist"
    case .tensorNotInIndex(let shard): "in \(shard), but not in weight_map"
    case .tensorInOtherShard(let indexed, let found): "weight_map places it in \(indexed), but it is in \(found)"
    case .tensorInTwoShards(let one, let other): "in both \(one) and \(other)"
    case .tensorIndexedTwice: "twice in weight_map"
    case .sideFileNotRegular: "not a regular file"
    case .sideFileOutside(let realPath): "a link to \(realPath), outside the folder of the model; not copied"
    case .sideFileTooLarge(let byteCount, let limit):
      "the file has \(NumberText.bytes(byteCount)); config and tokenizer files have at most \(NumberText.bytes(limit))"
    case .nameNotUTF8(let name): "a file name in this folder is not UTF-8: \(name)"
    case .tooManySideFiles(let limit):
      "more than \(NumberText.grouped(limit)) files beside the weights, or folders nested too deeply for a model"
    case .nothingToInclude(let pattern): "--include-file \"\(pattern)\" matches no file in this folder"
    case .outputExists, .outputStays: "already exists"
    case .outputInTheWay(let found, let wanted): "is \(found), and the output is \(wanted)"
    case .mountNotEmpty(let entry): "a mount point, which cannot be replaced, and not empty: it holds \"\(entry)\""
    case .inUse(let host, let process, let isDead):
      "in use by another merge to the same output"
        + (process.map { ", process \($0) on \(host ?? "")" } ?? "") + (isDead ? ", which is no longer running" : "")
    case .takenOver(let host, let process):
      "another merge to the same output took over this folder"
        + (process.map { ", process \($0) on \(host ?? "")" } ?? "")
    case .stagingNotOurs: "not a private folder of this user; another user could have created it"
    case .otherMerge(let difference): "an unfinished merge with other settings is here (\(difference))"
    case .noSpace(let needed, let available):
      "not enough disk space: needs \(NumberText.bytes(needed)), \(NumberText.bytes(available)) free"
    case .notAsWritten(let expected, let found):
      "read back from disk, the file differs from what was written: SHA-256 \(found), expected \(expected)"
    case .outputNotReplaceable(let entry): "exists and is not just a model: it holds \"\(entry)\""
    case .outputIsInput(let input): "the output is an input (\(input)), and no input is replaced"
    case .outputInsideInput(let input): "the output is inside the input \(input)"
    case .inputInsideOutput(let input): "the output contains the input \(input)"
    case .outputInsideWork(let folder): "the output is inside \(folder), a folder of unfinished work"
    case .outputWithoutName: "a path without a name, and the output is moved into place under its name"
    case .outputNotASafetensorsName: "the base is one file, so the output is a file; its name must end in .safetensors"
    case .outputLooksLikeFile: "the base is a folder, so the output is a folder; its name must not end in .safetensors"
    case .noParentFolder: "cannot create the output: its parent folder does not exist"
    case .parentNotAFolder(let path): "cannot create the output: \(path) is not a folder"
    case .changed: "the file changed while it was being read"
    case .system(let call, let code): SystemCalls.message(of: call, code: code)
    }
  }

  public var hint: String? {
    switch problem {
    case .noWeights(let others): Self.hint(others: others)
    case .pickleOnly(let name): Self.conversion(of: name)
    case .sideFileNotRegular, .tooManySideFiles: "leave it out with --exclude-file"
    case .sideFileOutside, .sideFileTooLarge: "copy it with --include-file, or leave it out with --exclude-file"
    case .severalVariants(let names, _):
      "choose one with --variant: \(names.map { "--variant \($0)" }.joined(separator: " or "))"
    case .missingShard, .incompleteShards, .missingPart, .partWithoutWeights:
      "incomplete download? download the folder again"
    case .nameNotUTF8: "rename it, or move it out of the folder"
    case .outputExists: "choose another name, or replace it with --force"
    case .outputInTheWay, .outputStays: "remove it, or choose another name"
    case .mountNotEmpty: "choose a name inside it"
    case .inUse(_, _, let isDead):
      isDead ? "remove its lock and resume with --break-lock" : "wait, or choose another name"
    case .takenOver: "this file system lets two merges lock one file; run one merge at a time to an output"
    case .stagingNotOurs: "remove it, or choose another name"
    case .otherMerge:
      "run the first command again to finish it, start over with --no-resume, or remove it with safemerge clean"
    case .noSpace: "free some space and run the same command again"
    case .notAsWritten: "the disk or the memory may be faulty"
    case .outputNotReplaceable: "choose another name"
    case .outputIsInput, .outputInsideInput, .inputInsideOutput: "choose another --output"
    case .outputInsideWork: "choose another --output"
    case .outputWithoutName: "give the output a name, such as \(Paths.join(Self.withoutLastDot(path), "merged"))"
    case .parentNotAFolder: "choose another --output"
    case .noParentFolder: Paths.folder(path).isEmpty ? nil : "create it with: mkdir -p \(Paths.folder(path))"
    case .tensorNotInIndex, .tensorInOtherShard, .tensorInTwoShards:
      "index and shards are from different checkpoints; download the folder again"
    case .system(let call, let code): SystemCalls.wayOut(of: call, code: code)
    default: nil
    }
  }

  /// A folder that is written with a needless dot at its end; "." stays.
  private static func withoutLastDot(_ path: String) -> String {
    Paths.lastComponent(path) == "." && path.utf8.contains(UInt8(ascii: "/")) ? Paths.folder(path) : path
  }

  /// Runs a system call on `path`.
  package static func attempt<Value>(
    _ path: String, _ body: () throws(SystemCalls.Failure) -> Value
  ) throws(CheckpointError) -> Value {
    do throws(SystemCalls.Failure) { return try body() } catch {
      throw CheckpointError(path: path, .system(call: error.call, code: error.code))
    }
  }
}
