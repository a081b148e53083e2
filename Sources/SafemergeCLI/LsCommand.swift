import ArgumentParser
import Checkpoints
import JSONText
import Safetensors

struct LsCommand: ParsableCommand {
  enum Format: String, CaseIterable, ExpressibleByArgument { case table, json, tsv, names }
  enum Sort: String, CaseIterable, ExpressibleByArgument { case name, size, offset, dtype }

  static let configuration = CommandConfiguration(
    commandName: "ls",
    abstract: "Show what is in safetensors files, checkpoints and adapters.",
    discussion: """
      Only headers are read. A folder stands for the weights that transformers would load from it; an adapter is shown \
      as its modules.

      Examples:
        safemerge ls model.safetensors
        safemerge ls ./model --include '*.layers.0.*' --sort size --reverse
        safemerge ls ./model --format tsv | cut -f 1
      """)

  @Argument(
    help: "A safetensors file, an index, or a folder with a model or an adapter.",
    completion: .file(extensions: ["safetensors", "json"]))
  var paths: [String]

  @Option(help: "\(Format.allCases.map(\.rawValue).joined(separator: ", ")).")
  var format: Format = .table

  @Flag(help: "Show a few lines for each path in place of every tensor.")
  var summary = false

  @Option(help: "Show only tensors whose names match the glob; * crosses dots. May be repeated.")
  var include: [String] = []

  @Option(help: "Leave out tensors whose names match the glob. May be repeated.")
  var exclude: [String] = []

  @Option(help: "\(Sort.allCases.map(\.rawValue).joined(separator: ", ")).")
  var sort: Sort = .name

  @Flag(name: [.short, .long], help: "Sort the other way round.")
  var reverse = false

  @Flag(help: "Show sizes in bytes.")
  var bytes = false

  func validate() throws {
    if paths.isEmpty { throw ValidationError("Give at least one path.") }
    if summary, format != .table { throw ValidationError("--summary goes with --format table only.") }
  }

  func run() throws {
    var status: Int32 = 0
    var listings: [Listing] = []
    for path in paths {
      do { listings.append(try Listing(path: path)) } catch { status = max(status, Diagnostics.report(error)) }
    }
    for warning in listings.flatMap(\.warnings) { Diagnostics.warning(warning) }
    var output = StandardOutput()
    if summary {
      for listing in listings { try output.write(SummaryText(listing).text) }
    } else if !listings.isEmpty {
      let tensors = sorted(try selected(listings), listings)
      switch format {
      case .table: try TableText(listings, tensors, showsBytes: bytes).write(to: &output)
      case .json: try output.write(ListingJSON.text(listings, tensors))
      case .tsv: try ListingLines.writeTSV(listings, tensors, to: &output)
      case .names: try ListingLines.writeNames(tensors, to: &output)
      }
    }
    try output.finish()
    if status != 0 { throw ExitCode(status) }
  }

  /// The tensors that the globs let through, in the order of paths, files and data; the files are gone through on all
  /// processors, and each brings its names in order already if that is wanted.
  private func selected(_ listings: [Listing]) throws -> [ListedTensor] {
    let includes = include.map(Glob.init)
    let excludes = exclude.map(Glob.init)
    let sortsByName = sort == .name
    let files = listings.enumerated().flatMap { listing, content in
      content.files.enumerated().map { (listing: listing, file: $0, tensors: $1.header.tensors) }
    }
    return try concurrentMap(files) { listing, file, tensors in
      let listed = tensors.indices.map { index in
        ListedTensor(name: tensors.name(at: index).string, listing: listing, file: file, index: index)
      }
      let selected = listed.filter { tensor in
        (includes.isEmpty || includes.contains { $0.matches(tensor.name) })
          && !excludes.contains { $0.matches(tensor.name) }
      }
      return sortsByName ? selected.sorted { NaturalOrder.precedes($0.name, $1.name) } : selected
    }.flatMap { $0 }
  }

  /// Ties keep the order of paths, files and data.
  private func sorted(_ tensors: [ListedTensor], _ listings: [Listing]) -> [ListedTensor] {
    func info(_ tensor: ListedTensor) -> TensorInfo {
      listings[tensor.listing].files[tensor.file].header.tensors[tensor.index]
    }
    let ordered: [ListedTensor]
    switch sort {
    case .offset: ordered = tensors
    case .name: ordered = tensors.sorted { NaturalOrder.precedes($0.name, $1.name) }
    case .size:
      ordered = tensors.map { (info($0).byteCount, $0) }.sorted { $0.0 < $1.0 }.map(\.1)
    case .dtype:
      ordered = tensors.map { (info($0).dtype, $0) }
        .sorted { $0.0 == $1.0 ? NaturalOrder.precedes($0.1.name, $1.1.name) : $0.0 < $1.0 }.map(\.1)
    }
    return reverse ? ordered.reversed() : ordered
  }
}
