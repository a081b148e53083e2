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
    /// A mount point cannot be replaced, and this one is not empty.
    case mountNotEmpty(entry: String)
    /// Another run writes to the same output.
    case inUse(host: String?, process: Int?, isDead: Bool)
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
    /// A report whose path is the result or inside it.
    case reportInsideOutput(String)
    case outputNotASafetensorsName
    case outputLooksLikeFile
    case noParentFolder
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
    case .notFound, .missingShard, .incompleteShards, .noParentFolder: "not-found"
    case .notAFolder: "not-a-folder"
    case .noWeights: "no-weights"
    case .pickleOnly: "pickle"
    case .fileTooLarge: "too-large"
    case .json(let error):
      if case .duplicateKey = error.reason { "duplicate-key" } else { "json" }
    case .notAnObject, .indexField: "schema"
    case .unsafeShardName, .collidingShardNames, .notAPlainFolder: "shard-name"
    case .tensorNotInIndex, .tensorInOtherShard, .tensorInTwoShards: "index"
    case .tensorIndexedTwice: "duplicate-key"
    case .sideFileNotRegular, .sideFileOutside, .sideFileTooLarge, .nameNotUTF8, .tooManySideFiles, .nothingToInclude:
      "side-file"
    case .outputExists, .mountNotEmpty, .outputNotReplaceable: "output-exists"
    case .inUse: "in-use"
    case .stagingNotOurs: "staging"
    case .otherMerge: "other-merge"
    case .noSpace: "space"
    case .notAsWritten: "not-as-written"
    case .reportInsideOutput: "report-place"
    case .outputIsInput, .outputInsideInput, .inputInsideOutput: "output-is-input"
    case .outputNotASafetensorsName, .outputLooksLikeFile: "output-name"
    case .changed: "changed"
    case .system: "system"
    }
  }

  public var category: ErrorCategory {
    switch problem {
    case .system, .changed, .notFound, .noParentFolder, .noSpace, .notAsWritten: .inputOutput
    case .outputExists, .mountNotEmpty, .outputNotReplaceable, .outputIsInput, .outputInsideInput,
      .inputInsideOutput, .reportInsideOutput, .inUse, .stagingNotOurs, .otherMerge:
      .outputOccupied
    default: .refusedInput
    }
  }

  public var message: String {
    switch problem {
    case .notFound: "no such file or folder"
    case .notAFolder: "is neither a folder nor a regular file"
    case .noWeights(let others):
      "holds neither model.safetensors nor model.safetensors.index.json"
        + (others.isEmpty ? "" : ", but \(Self.list(others))")
    case .pickleOnly(let name): "holds \(name) only; pickled weights are never opened"
    case .fileTooLarge(let byteCount, let limit): "has \(byteCount) bytes; at most \(limit) are read"
    case .json(let error): "is not valid JSON: \(error)"
    case .notAnObject: "is not a JSON object"
    case .indexField(let what): what
    case .unsafeShardName(let name):
      "names the file \"\(name)\"; a relative path to a .safetensors file in the same folder is expected"
    case .collidingShardNames(let one, let other):
      "weight_map names \"\(one)\" and \"\(other)\", which some file systems take for one file"
    case .incompleteShards(let found, let count, let missing):
      "holds \(found) of \(count) shards and no index; the first that is missing is number \(missing)"
    case .notAPlainFolder:
      "is no folder of its own but a link or a file; shards are not looked for behind links to folders"
    case .missingShard(let name): "weight_map names the file \"\(name)\", which does not exist"
    case .tensorNotInIndex(let shard): "is in \(shard) but not in weight_map"
    case .tensorInOtherShard(let indexed, let found): "weight_map places it in \(indexed), but it is in \(found)"
    case .tensorInTwoShards(let one, let other): "is in \(one) and in \(other)"
    case .tensorIndexedTwice: "stands twice in weight_map"
    case .sideFileNotRegular: "is not a regular file"
    case .sideFileOutside(let realPath): "is a link to \(realPath), outside its model's folder; not copied"
    case .sideFileTooLarge(let byteCount, let limit): "has \(byteCount) bytes; copied files have at most \(limit)"
    case .nameNotUTF8(let name): "holds a file whose name is not UTF-8: \(name)"
    case .tooManySideFiles(let limit):
      "holds more than \(limit) files beside the weights, or deeper folders than a model has"
    case .nothingToInclude(let pattern): "--include-file \"\(pattern)\" fits no file in this folder"
    case .outputExists: "exists already"
    case .mountNotEmpty(let entry): "is a mount point, which nothing can replace, and holds \"\(entry)\""
    case .inUse(let host, let process, let isDead):
      "is in use by another merge to the same output"
        + (process.map { ", process \($0) on \(host ?? "")" } ?? "") + (isDead ? ", which is not running any more" : "")
    case .stagingNotOurs: "is no folder of this user alone: others could have put it there"
    case .otherMerge(let difference): "holds an unfinished merge that differs: \(difference)"
    case .noSpace(let needed, let available):
      "needs \(needed) bytes, and its file system has \(available) free"
    case .notAsWritten(let expected, let found):
      "the disk does not have what was written: SHA-256 \(found), expected \(expected)"
    case .outputNotReplaceable(let entry): "holds \"\(entry)\", which is no part of a model; not replaced"
    case .outputIsInput(let input): "is the input \(input)"
    case .outputInsideInput(let input): "lies inside the input \(input)"
    case .inputInsideOutput(let input): "contains the input \(input)"
    case .reportInsideOutput(let output): "lies inside the result \(output), which holds nothing but the model"
    case .outputNotASafetensorsName: "the base is one file, so the output is one; its name must end in .safetensors"
    case .outputLooksLikeFile: "the base is a folder, so the output is one; its name must not end in .safetensors"
    case .noParentFolder: "the folder that it would be in does not exist"
    case .changed: "the file changed while it was being read"
    case .system(let call, let code): "\(call): \(SystemCalls.text(of: code))"
    }
  }

  public var hint: String? {
    switch problem {
    case .noWeights(let others): Self.hint(others: others)
    case .pickleOnly(let name): Self.conversion(of: name)
    case .sideFileNotRegular, .tooManySideFiles: "leave it out with --exclude-file"
    case .sideFileOutside, .sideFileTooLarge: "copy it with --include-file, or leave it out with --exclude-file"
    case .missingShard, .incompleteShards: "an incomplete download? fetch the folder again"
    case .nameNotUTF8: "rename it, or move it out of the folder"
    case .outputExists: "choose another name, or replace it with --force"
    case .mountNotEmpty: "choose a name inside it"
    case .inUse(_, _, let isDead): isDead ? "--break-lock goes on where it stopped" : nil
    case .stagingNotOurs: "remove it, or choose another name"
    case .otherMerge:
      "run that merge's command again to finish it; --no-resume begins anew, and safemerge clean removes it"
    case .notAsWritten: "is the disk or the memory damaged?"
    case .noParentFolder: "make it with mkdir -p"
    case .tensorNotInIndex, .tensorInOtherShard, .tensorInTwoShards:
      "index and shards are of different checkpoints; fetch the folder again"
    case .system(let call, let code): SystemCalls.wayOut(of: call, code: code)
    default: nil
    }
  }

  /// The hint for a folder whose weights have unexpected names or another format.
  private static func hint(others: [String]) -> String? {
    guard let first = others.first else { return nil }
    if first.hasSuffix(".safetensors.index.json") { return "give the index itself as BASE" }
    // The index of a variant, such as model.safetensors.index.fp16.json.
    if others.contains(where: { $0.hasSuffix(".json") }) {
      return "rename the files to model.safetensors, or to model-00001-of-0000N.safetensors"
    }
    guard first.hasSuffix(".safetensors") else {
      return "only safetensors files are merged: fetch the model in that format"
    }
    return others.count == 1
      ? "rename it to model.safetensors, or give the file itself as BASE, for a result of one file without config.json"
      : "rename those that are meant to model.safetensors or model-00001-of-0000N.safetensors, or give one file as BASE"
  }

  /// How to convert pickled weights to safetensors files that can be merged: file by file, as shards without an index.
  private static func conversion(of name: String) -> String {
    let pattern = SideFiles.shardPattern(name).map { $0.hasPrefix("pytorch_model") ? "pytorch_model*.bin" : $0 } ?? name
    return "convert it there: python3 -c \"import glob, os, torch, safetensors.torch as s; "
      + "[s.save_file({k: v.clone().contiguous() for k, v in torch.load(f, map_location='cpu', weights_only=True).items()}, "
      + "os.path.splitext(f)[0].replace('pytorch_', '') + '.safetensors', metadata={'format': 'pt'}) "
      + "for f in sorted(glob.glob('\(pattern)'))]\""
  }

  private static func list(_ names: [String]) -> String {
    names.prefix(3).joined(separator: ", ") + (names.count > 3 ? " and \(names.count - 3) more" : "")
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
