import AdapterWriting
import Adapters
import ArgumentParser
import Checkpoints
import JSONText
import MergePlanning
import Platform
import Staging

/// The course of a command that writes an adapter, from the first event to the summary: it tells people on standard error what
/// happens, and programs by events, and sees to signals and to the place of the output.
final class AdapterRun {
  /// The command's name.
  let command: String
  let workers: Int
  private let output: AdapterOutputOptions
  private let progress: ProgressOptions
  private let isJSON: Bool
  private var clock = StepClock()

  /// Begins: writes the first event, and makes termination signals end the process while nothing is written.
  ///
  /// - Parameters:
  ///   - command: The command's name.
  ///   - threads: How many threads work.
  /// - Throws: If events cannot be written, or the number of threads is none.
  init(
    _ command: String, output: AdapterOutputOptions, progress: ProgressOptions, isJSON: Bool, threads: JobOptions
  ) throws {
    self.command = command
    self.output = output
    self.progress = progress
    self.isJSON = isJSON
    if isJSON { EventStream.standard.begin(command: command) }
    try EventStream.standard.check()
    workers = try WorkerCount.of(threads.jobs)
    Signals.prepareForMerge()
    Signals.endAtOnce(events: isJSON)
  }

  /// Checks and locks the place of the output; nothing is computed for one that is in use or impossible.
  ///
  /// - Parameters:
  ///   - isFolder: Whether the adapter is a folder.
  ///   - adapters: The inputs that are adapters.
  ///   - models: The inputs that are models.
  /// - Returns: Nil: no output was named, so that this is a dry run.
  func reserve(
    isFolder: Bool, adapters: [Adapter] = [], models: [Checkpoint] = []
  ) throws -> AdapterDestination? {
    guard let path = output.output else { return nil }
    Signals.remember()
    let inputs =
      models.flatMap { [$0.path] + $0.files.map(\.path) }
      + adapters.flatMap { [$0.path, $0.weightsPath, $0.configPath] }
    // Nothing is written to the Hugging Face cache.
    let destination = try AdapterDestination(
      path, isFolder: isFolder, inputs: inputs + [ModelArgument.cache.path], force: output.force,
      isDryRun: output.dryRun, breaksLock: output.breakLock)
    Signals.endAtOnce(removing: destination.temporaryPaths, events: isJSON)
    clock.finish("headers")
    return destination
  }

  /// A warning is about a result that may not be what was meant: `--quiet` does not silence it.
  func warn(_ message: String) {
    Diagnostics.warning(message)
    EventStream.standard.warning(message)
  }

  /// Tells what will be made.
  ///
  /// - Parameters:
  ///   - lines: For people, each with its label.
  ///   - details: More lines, printed with `--verbose` and by a dry run.
  ///   - members: Members of the `adapter_plan` event after those that all commands have.
  func tell(
    _ lines: [String], details: [String] = [], units: Int, _ destination: AdapterDestination?,
    members: (inout JSONWriter) -> Void = { _ in }
  ) throws {
    clock.finish("plan")
    // A signal must not cut an event.
    Signals.remember()
    EventStream.standard.send("adapter_plan") { event in
      event.member("dry_run", output.dryRun)
      event.member("output", output.output)
      event.member("modules", units)
      members(&event)
    }
    Signals.endAtOnce(removing: destination?.temporaryPaths ?? [], events: isJSON)
    guard !isJSON else { return }
    guard output.dryRun else { return write(lines + (progress.verbose > 0 ? details : [])) }
    var text = StandardOutput()
    for line in lines + details {
      for piece in Screen.output.wrapped(line.escapingUnprintable, indentation: LabeledLine.indentation) {
        try text.write(piece + "\n")
      }
    }
    try text.finish()
  }

  /// Whether nothing is written; the last event is sent then, and the command has nothing left to do.
  func endsDry() throws -> Bool {
    guard output.dryRun else { return false }
    Signals.remember()
    sendDone(nil)
    try EventStream.standard.check()
    return true
  }

  /// Makes and writes the adapter.
  ///
  /// - Parameters:
  ///   - units: See `AdapterWriter`.
  ///   - weightsName: See `AdapterWriter`.
  ///   - workers: Units that are made at once; nil: as many as there are threads.
  ///   - identity: Made here: reading the inputs can be interrupted.
  ///   - document: See `AdapterWriter`.
  func write(
    _ units: [AdapterUnit], weightsName: String = "adapter_model.safetensors", workers: Int? = nil,
    to destination: AdapterDestination?, as identity: @autoclosure () throws -> MergeIdentity,
    document: ([FinishedUnit]) throws -> AdapterDocument
  ) throws -> AdapterOutcome {
    guard let destination else {
      throw ValidationError("missing required option --output (-o): where to write the new adapter")
    }
    let identity = try identity()
    clock.finish("inputs")
    let line = ProgressLine(
      mode: progress.progress, isQuiet: progress.quiet, namesShards: progress.verbose > 0,
      events: isJSON ? .standard : nil)
    defer { line.finish() }
    Signals.remember()
    let outcome = try AdapterWriter(
      units, weightsName: weightsName, workers: workers ?? self.workers, interruption: Signals.interruption,
      resumes: output.resume
    ).run(to: destination, as: identity, progress: { line.update($0) }, document: document)
    clock.finish("weights")
    return outcome
  }

  /// Prints lines for people about what was made.
  func write(_ lines: [String]) {
    guard !progress.quiet, !isJSON else { return }
    for line in lines {
      for piece in Screen.error.wrapped(line.escapingUnprintable, indentation: LabeledLine.indentation) {
        Diagnostics.write(piece)
      }
    }
  }

  /// Ends with the summary.
  ///
  /// - Parameters:
  ///   - lines: Printed before the last line.
  ///   - members: Members of the `adapter_done` event after those that all commands have.
  func finish(
    _ outcome: AdapterOutcome, _ lines: [String] = [], members: (inout JSONWriter) -> Void = { _ in }
  ) throws {
    let kept = outcome.units.count(where: \.isKept)
    var lines = lines
    if kept > 0 {
      lines.append(
        LabeledLine.text("resumed", "\(kept) of \(NumberText.counted(outcome.units.count, "module")) already made"))
    }
    let tenths = Int((clock.duration.inSeconds * 10).rounded())
    lines.append(
      LabeledLine.text(
        "done",
        "\(output.output ?? "")   \(NumberText.counted(outcome.tensorCount, "tensor")), "
          + "\(NumberText.bytes(outcome.byteCount)) in \(tenths / 10).\(tenths % 10) s, "
          + "peak memory \(NumberText.bytes(ProcessMemory.peak))"))
    if progress.verbose > 1 { lines.append(clock.line) }
    write(lines)
    sendDone(outcome, members)
    try EventStream.standard.check()
  }

  private func sendDone(_ outcome: AdapterOutcome?, _ members: (inout JSONWriter) -> Void = { _ in }) {
    EventStream.standard.send("adapter_done", isLast: true) { event in
      event.member("dry_run", outcome == nil)
      event.member("output", output.output)
      event.member("modules", outcome?.units.count ?? 0)
      event.member("modules_kept", outcome?.units.count(where: \.isKept) ?? 0)
      event.member("tensors", outcome?.tensorCount ?? 0)
      event.member("bytes", outcome?.byteCount ?? 0)
      event.member("seconds", (clock.duration.inSeconds * 1000).rounded() / 1000)
      event.member("peak_memory", ProcessMemory.peak)
      members(&event)
    }
  }
}
