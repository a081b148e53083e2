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
  enum Format: String, OutputFormat {
    case table, json, tsv, names
    static let standard = Format.table
  }
  enum Sort: String, CaseIterable, ExpressibleByArgument { case name, size, offset, dtype }
  enum Hash: String, CaseIterable, ExpressibleByArgument { case files, tensors }

  static let configuration = CommandConfiguration(
    commandName: "ls",
    abstract: "List the tensors of safetensors files, models and adapters.",
    discussion: """
      ls reads headers only, except for --stats and --hash. A folder stands for the weights that transformers would load \
      from it. Adapters are listed by module, and a quantized weight is one row. Of adapters that are one file, and of image \
      models, ls also tells the architecture and what the metadata says of the training.

      Examples:
        safemerge ls model.safetensors
        safemerge ls ./model --tree --depth 3
        safemerge ls ./model --include '*.layers.0.*' --sort size --reverse
        safemerge ls ./model --stats
        safemerge ls ./my-adapter --base ./model
        safemerge ls style.safetensors --summary
        safemerge ls org/name@main --summary
        safemerge ls ./model --format tsv | cut -f 1
      """)

  @Argument(
    help: ArgumentHelp(
      """
      A .safetensors file, an index, a folder with a model or an adapter, a Hugging Face model ID in the local cache \
      (ORG/NAME, ORG/NAME@REVISION, hf://...), or - for a header on standard input.
      """, valueName: "path"), completion: .model)
  var paths: [String]

  @Flag(help: "Print a summary of each path.")
  var summary = false

  @Flag(help: "Print a tree of the modules with totals; identical layers are collapsed.")
  var tree = false

  @Option(help: ArgumentHelp("Levels of --tree.", valueName: "levels"))
  var depth: Int?

  @Flag(help: "List the files, and check them against the index.")
  var shards = false

  @Flag(help: "Print the metadata of each file.")
  var metadata = false

  @Flag(help: "Read the data: minimum, maximum, mean, root mean square, zeros, NaN and infinities of each tensor.")
  var stats = false

  @Option(help: ArgumentHelp("Compute SHA-256 checksums.", valueName: "of"))
  var hash: Hash?

  @Option(
    help: ArgumentHelp("Show which tensors of this base the modules of an adapter change.", valueName: "base"),
    completion: .model)
  var base: String?

  @OptionGroup var variant: VariantOptions

  @Flag(help: "List the parts of quantized weights as separate tensors.")
  var raw = false

  @Option(help: ArgumentHelp("List only tensors whose names match; * matches dots too. Repeatable.", valueName: "glob"))
  var include: [String] = []

  @Option(help: ArgumentHelp("Skip tensors whose names match. Repeatable.", valueName: "glob"))
  var exclude: [String] = []

  @Option(help: ArgumentHelp("Sort order.", valueName: "order"))
  var sort: Sort = .name

  @Flag(name: [.short, .long], help: "Reverse the sort order.")
  var reverse = false

  @OptionGroup var threads: JobOptions

  @Flag(help: "Print sizes in bytes.")
  var bytes = false

  @OptionGroup var format: FormatOptions<Format>

  @Option(help: ArgumentHelp("Show progress.", valueName: "when"))
  var progress: ProgressLine.Mode = .auto

  @OptionGroup var display: DisplayOptions

  @OptionGroup var help: HelpOptions

  func validate() throws {
    if paths.isEmpty { throw ValidationError("missing argument <path>", hint: "for example safemerge ls ./model") }
    let format = format.format
    let views = [(summary, "--summary"), (tree, "--tree"), (shards, "--shards"), (metadata, "--metadata")]
      .filter(\.0).map(\.1)
    if views.count > 1 { throw ValidationError("\(views[0]) and \(views[1]) exclude each other") }
    if summary, format != .table {
      throw ValidationError("--summary and --format \(format.rawValue) exclude each other")
    }
    if shards, format == .json {
      throw ValidationError(
        "--shards and --format json exclude each other", hint: "without --shards the JSON lists every file")
    }
    if let depth {
      guard tree else { throw ValidationError("--depth requires --tree") }
      guard depth >= 1 else { throw ValidationError("invalid value \"\(depth)\" for --depth: expected at least 1") }
    }
    if stats || hash != nil {
      let option = stats ? "--stats" : "--hash"
      if let view = views.first { throw ValidationError("\(option) and \(view) exclude each other") }
      if format == .names { throw ValidationError("\(option) and --format names exclude each other") }
      if paths.contains("-") { throw ValidationError("\(option) needs data, and standard input has only a header") }
    }
    if base != nil, let view = views.first { throw ValidationError("--base and \(view) exclude each other") }
    if paths.count(where: { $0 == "-" }) > 1 { throw ValidationError("standard input (-) is given more than once") }
  }

  func run() throws {
    var status: Int32 = 0
    var listings: [Listing] = []
    for path in paths {
      do {
        let listing =
          path == "-" ? try Listing(stream: STDIN_FILENO) : try Listing(ModelArgument(path), variant: variant.variant)
        listings.append(listing)
        if let error = listing.error { status = max(status, Diagnostics.report(error)) }
      } catch { status = max(status, Diagnostics.report(error)) }
    }
    for warning in listings.flatMap(\.warnings) { Diagnostics.warning(warning) }
    for work in paths.compactMap({ try? UnfinishedWork(output: $0) }) {
      Diagnostics.note(UnfinishedText(work).note)
    }
    var output = StandardOutput()
    if !listings.isEmpty { status = max(status, try write(listings, to: &output)) }
    try output.finish()
    if status != 0 { throw ExitCode(status) }
  }

  private func write(_ listings: [Listing], to output: inout StandardOutput) throws -> Int32 {
    let screen = format.format == .table ? Screen.output : .plain
    if summary {
      for listing in listings { try SummaryText(listing).write(to: &output, screen: screen) }
    } else if metadata {
      switch format.format {
      case .table: try MetadataText.write(listings, to: &output)
      case .json: try output.write(ListingJSON(listings).metadata())
      case .tsv: try MetadataText.writeTSV(listings, to: &output)
      case .names: try MetadataText.writeNames(listings, to: &output)
      }
    } else if shards {
      let text = ShardText(ListSelection(listings, folds: !raw), showsBytes: bytes)
      switch format.format {
      case .tsv: try text.writeTSV(to: &output)
      case .names: try text.writeNames(to: &output)
      default: try text.write(to: &output, screen: screen)
      }
    } else {
      let selection = ListSelection(listings, NameFilter(include: include, exclude: exclude), folds: !raw)
      if tree {
        try writeTrees(selection, to: &output, screen)
      } else {
        let status = try writeTensors(selection, to: &output, screen)
        if status != 0 { return status }
      }
      if selection.isFiltered, try selection.rows(folds: false, isOrdered: false).isEmpty {
        Diagnostics.warning("no tensor matches \(filterText)")
        return ExitStatus.nothingFound
      }
    }
    return 0
  }

  private func writeTrees(_ selection: ListSelection, to output: inout StandardOutput, _ screen: Screen) throws {
    let listings = selection.listings
    let trees = try listings.indices.map { number in
      var tree = TreeText(try NameTree(selection, listing: number), depth: depth ?? .max, showsBytes: bytes)
      if !selection.isFiltered { tree.remarks = ModelTotals(listings[number], selection.weights[number]).remarks }
      return tree
    }
    if format.format == .json { return try output.write(ListingJSON(listings).trees(trees)) }
    for (number, (listing, tree)) in zip(listings, trees).enumerated() {
      switch format.format {
      case .tsv: try tree.writeTSV(to: &output)
      case .names: try tree.writeNames(to: &output)
      default:
        if listings.count > 1 {
          let title = screen.style.text(listing.title.escapingUnprintable, .strong)
          try output.write("\(number > 0 ? "\n" : "")\(title)\n")
        }
        try tree.write(to: &output, screen: screen)
      }
    }
  }

  private func writeTensors(
    _ selection: ListSelection, to output: inout StandardOutput, _ screen: Screen
  ) throws -> Int32 {
    let listings = selection.listings
    let reads = stats || hash != nil
    let folds = format.format == .table && !reads
    let tensors = sorted(try selection.rows(folds: folds, isOrdered: sort == .name), selection)
    var status: Int32 = 0
    var matches: [BaseMatches?] = listings.map { _ in nil }
    var fits: [BaseFit?] = listings.map { _ in nil }
    if let base {
      let argument = try ModelArgument(base)
      let checkpoint = try argument.read(Checkpoint.init(path:))
      for (number, listing) in listings.enumerated() {
        guard let adapter = listing.adapter else { continue }
        // If not all modules match the base, list them.
        do { matches[number] = try BaseMatches(adapter, base: checkpoint) } catch {
          status = max(status, Diagnostics.report(error))
        }
        fits[number] = BaseFit(adapter, checkpoint, path: argument.title, fits: matches[number] != nil)
      }
    }
    let data =
      reads
      ? try ListedData(
        tensors, listings, statistics: stats, hash: hash, workers: try WorkerCount.of(threads.jobs), progress: progress)
      : .none
    switch format.format {
    case .table:
      var table = TableText(selection, tensors, data: data, showsBytes: bytes, screen: screen)
      (table.matches, table.fits) = (matches, fits)
      table.showsTensors = reads
      try table.write(to: &output)
    case .json:
      var document = ListingJSON(listings)
      (document.matches, document.fits) = (matches, fits)
      try output.write(document.tensors(tensors, selection, data: data))
    case .tsv: try ListingLines.writeTSV(listings, tensors, data, to: &output)
    case .names: try ListingLines.writeNames(tensors, to: &output)
    }
    return status
  }

  /// `--include '*.lora_A*' --exclude 'x'`.
  private var filterText: String {
    (include.map { "--include '\($0)'" } + exclude.map { "--exclude '\($0)'" }).joined(separator: " ")
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
