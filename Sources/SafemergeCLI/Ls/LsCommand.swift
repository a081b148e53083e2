import ArgumentParser
import Checkpoints
import JSONText
import Platform
import Safetensors
import Staging

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

struct LsCommand: ParsableCommand {
  enum Format: String, CaseIterable, ExpressibleByArgument { case table, json, tsv, names }
  enum Sort: String, CaseIterable, ExpressibleByArgument { case name, size, offset, dtype }
  enum Hash: String, CaseIterable, ExpressibleByArgument { case files, tensors }

  static let configuration = CommandConfiguration(
    commandName: "ls",
    abstract: "Show what is in safetensors files, checkpoints and adapters.",
    discussion: """
      Only headers are read, but for --stats and --hash. A folder stands for the weights that transformers would load \
      from it; an adapter is shown as its modules, quantised weights as one row each.

      Examples:
        safemerge ls model.safetensors
        safemerge ls ./model --tree --depth 3
        safemerge ls ./model --include '*.layers.0.*' --sort size --reverse
        safemerge ls ./model --stats
        safemerge ls ./my-adapter --base ./model
        safemerge ls org/name@main --summary
        safemerge ls ./model --format tsv | cut -f 1
      """)

  @Argument(
    help: """
      A safetensors file, an index, a folder with a model or an adapter, a model of the hub in the local cache (ORG/NAME, \
      ORG/NAME@REVISION, hf://...), or - for a header on standard input.
      """, completion: .model)
  var paths: [String]

  @Option(help: "\(Format.allCases.map(\.rawValue).joined(separator: ", ")).")
  var format: Format = .table

  @Flag(help: "Show a few lines for each path in place of every tensor.")
  var summary = false

  @Flag(help: "Show the parts of the names as a tree with sums; layers that are alike are one.")
  var tree = false

  @Option(help: "With --tree, how many parts of the names are shown.")
  var depth: Int?

  @Flag(help: "Show the files in place of the tensors, and whether the index fits them.")
  var shards = false

  @Flag(help: "Show the metadata of each file in place of the tensors.")
  var metadata = false

  @Flag(help: "Read the data: smallest, largest, mean, root mean square, zeros, NaNs and infinities of each tensor.")
  var stats = false

  @Option(help: "Compute SHA-256 checksums: \(Hash.allCases.map(\.rawValue).joined(separator: ", ")).")
  var hash: Hash?

  @Option(help: "Show which tensors of this base the modules of an adapter change.", completion: .model)
  var base: String?

  @Flag(help: "Show the parts of quantised weights as the tensors that they are.")
  var raw = false

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

  @Option(
    name: [.short, .long], help: "Threads that read data. Default: SAFEMERGE_THREADS, else the number of processors.")
  var jobs: Int?

  @Option(help: "\(ColorMode.allCases.map(\.rawValue).joined(separator: ", ")).")
  var color: ColorMode = .auto

  @Option(help: "\(ProgressLine.Mode.allCases.map(\.rawValue).joined(separator: ", ")).")
  var progress: ProgressLine.Mode = .auto

  func validate() throws {
    if paths.isEmpty { throw ValidationError("Give at least one path.") }
    let views = [(summary, "--summary"), (tree, "--tree"), (shards, "--shards"), (metadata, "--metadata")]
      .filter(\.0).map(\.1)
    if views.count > 1 { throw ValidationError("\(views[0]) and \(views[1]) exclude each other.") }
    if summary, format != .table { throw ValidationError("--summary goes with --format table only.") }
    if shards, format == .json {
      throw ValidationError("--shards has no --format json: without it the document has every file.")
    }
    if let depth {
      guard tree else { throw ValidationError("--depth belongs to --tree.") }
      guard depth >= 1 else { throw ValidationError("--depth is at least 1.") }
    }
    if stats || hash != nil {
      if let view = views.first { throw ValidationError("--stats and --hash do not go with \(view).") }
      if format == .names { throw ValidationError("--stats and --hash do not go with --format names.") }
      if paths.contains("-") { throw ValidationError("A header on standard input has no data to be read.") }
    }
    if base != nil, let view = views.first { throw ValidationError("--base does not go with \(view).") }
    if paths.count(where: { $0 == "-" }) > 1 { throw ValidationError("Standard input can be read once.") }
    if let jobs, jobs < 1 { throw ValidationError("--jobs is at least 1.") }
  }

  func run() throws {
    var status: Int32 = 0
    var listings: [Listing] = []
    for path in paths {
      do {
        let listing = path == "-" ? try Listing(stream: STDIN_FILENO) : try Listing(ModelArgument(path))
        listings.append(listing)
        if let error = listing.error { status = max(status, Diagnostics.report(error)) }
      } catch { status = max(status, Diagnostics.report(error)) }
    }
    for warning in listings.flatMap(\.warnings) { Diagnostics.warning(warning) }
    for work in paths.compactMap(UnfinishedWork.init(output:)) {
      Diagnostics.write("safemerge: note: \(UnfinishedText(work).note.escapingUnprintable)")
    }
    var output = StandardOutput()
    if !listings.isEmpty { status = max(status, try write(listings, to: &output)) }
    try output.finish()
    if status != 0 { throw ExitCode(status) }
  }

  private func write(_ listings: [Listing], to output: inout StandardOutput) throws -> Int32 {
    let style = TextStyle(
      isColored: format == .table
        && color.isOn(
          isTerminal: StandardStreams.isTerminal(STDOUT_FILENO), environment: ProcessEnvironment.variables)
    )
    if summary {
      for listing in listings { try output.write(SummaryText(listing).text) }
    } else if metadata {
      switch format {
      case .table: try MetadataText.write(listings, to: &output)
      case .json: try output.write(ListingJSON(listings).metadata())
      case .tsv: try MetadataText.writeTSV(listings, to: &output)
      case .names: try MetadataText.writeNames(listings, to: &output)
      }
    } else if shards {
      let text = ShardText(ListSelection(listings, folds: !raw), showsBytes: bytes)
      switch format {
      case .tsv: try text.writeTSV(to: &output)
      case .names: try text.writeNames(to: &output)
      default: try text.write(to: &output, style: style)
      }
    } else {
      let selection = ListSelection(listings, NameFilter(include: include, exclude: exclude), folds: !raw)
      if tree {
        try writeTrees(selection, to: &output, style)
      } else {
        return try writeTensors(selection, to: &output, style)
      }
    }
    return 0
  }

  private func writeTrees(_ selection: ListSelection, to output: inout StandardOutput, _ style: TextStyle) throws {
    let listings = selection.listings
    let trees = try listings.indices.map { number in
      var tree = TreeText(try NameTree(selection, listing: number), depth: depth ?? .max, showsBytes: bytes)
      if !selection.isFiltered { tree.remarks = ModelTotals(listings[number], selection.weights[number]).remarks }
      return tree
    }
    if format == .json { return try output.write(ListingJSON(listings).trees(trees)) }
    for (listing, tree) in zip(listings, trees) {
      switch format {
      case .tsv: try tree.writeTSV(to: &output)
      case .names: try tree.writeNames(to: &output)
      default:
        if listings.count > 1 { try output.write("\(listing.title.escapingUnprintable)\n") }
        try tree.write(to: &output, style: style)
      }
    }
  }

  private func writeTensors(
    _ selection: ListSelection, to output: inout StandardOutput, _ style: TextStyle
  ) throws -> Int32 {
    let listings = selection.listings
    let reads = stats || hash != nil
    let folds = format == .table && !reads
    let tensors = sorted(try selection.rows(folds: folds, isOrdered: sort == .name), selection)
    var status: Int32 = 0
    var matches: [BaseMatches?] = listings.map { _ in nil }
    if let base {
      let argument = try ModelArgument(base)
      let checkpoint = try argument.read(Checkpoint.init(path:))
      for (number, listing) in listings.enumerated() {
        guard let adapter = listing.adapter else { continue }
        // If not all modules match the base, list them.
        do { matches[number] = try BaseMatches(adapter, base: checkpoint) } catch {
          status = max(status, Diagnostics.report(error))
        }
      }
    }
    let data =
      reads
      ? try ListedData(
        tensors, listings, statistics: stats, hash: hash, workers: try WorkerCount.of(jobs), progress: progress)
      : .none
    switch format {
    case .table:
      var table = TableText(selection, tensors, data: data, showsBytes: bytes, style: style)
      table.matches = matches
      table.showsTensors = reads
      try table.write(to: &output)
    case .json:
      var document = ListingJSON(listings)
      document.matches = matches
      try output.write(document.tensors(tensors, selection, data: data))
    case .tsv: try ListingLines.writeTSV(listings, tensors, data, to: &output)
    case .names: try ListingLines.writeNames(tensors, to: &output)
    }
    return status
  }

  /// Ties keep the order of paths, files and data.
  private func sorted(_ tensors: [ListedTensor], _ selection: ListSelection) -> [ListedTensor] {
    let ordered: [ListedTensor]
    switch sort {
    case .offset: ordered = tensors
    case .name: ordered = tensors.sorted { NaturalOrder.precedes($0.name, $1.name) }
    case .size:
      ordered = tensors.map { (selection.byteCount($0), $0) }.sorted { $0.0 < $1.0 }.map(\.1)
    case .dtype:
      func dtype(_ tensor: ListedTensor) -> DType {
        selection.listings[tensor.listing].files[tensor.file].header.tensors.dtype(at: tensor.index)
      }
      ordered = tensors.map { (dtype($0), $0) }
        .sorted { $0.0 == $1.0 ? NaturalOrder.precedes($0.1.name, $1.1.name) : $0.0 < $1.0 }.map(\.1)
    }
    return reverse ? ordered.reversed() : ordered
  }
}
