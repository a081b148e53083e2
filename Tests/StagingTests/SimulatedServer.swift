import Checkpoints
import Foundation
import Platform
import TestSupport

@testable import Staging

/// A file server in memory, and the order in which processes on its clients do their steps, by a seed.
///
/// Each process has a thread; one at a time runs, until its next call to the server. So the code that is tested is the
/// program's own.
final class SimulatedServer: @unchecked Sendable {
  /// Folders by their paths, and what is in them by names. A folder that is renamed keeps its number.
  private(set) var folders: [String: Int] = ["/r": 0]
  private(set) var files: [Int: [String: [UInt8]]] = [0: [:]]
  private var nextFolder = 1
  /// What `folders` was after each change.
  private var history: [[String: Int]] = [["/r": 0]]
  var random: SeededGenerator
  let hasLinks: Bool
  fileprivate let turn = DispatchSemaphore(value: 0)

  init(seed: UInt64, hasLinks: Bool = true) {
    random = SeededGenerator(seed: seed)
    self.hasLinks = hasLinks
  }

  /// What has the name OUT: its files, without the folder's own name.
  var output: [String: [UInt8]]? { folders["/r/OUT"].flatMap { files[$0] } }

  fileprivate func change(_ body: (inout [String: Int], inout [Int: [String: [UInt8]]], inout Int) -> Void) {
    body(&folders, &files, &nextFolder)
    history.append(folders)
    if history.count > 64 { history.removeFirst() }
  }

  /// The number of a folder as a client sees it that may know what was `age` changes ago.
  fileprivate func folder(_ path: String, age: Int) -> Int? {
    let then = history[max(0, history.count - 1 - age)]
    // A name that was absent then is asked for again.
    guard let number = then[path] ?? folders[path], files[number] != nil else { return nil }
    return number
  }

  // MARK: - Processes

  /// A process that is at a call to the server, or has ended.
  final class Process: @unchecked Sendable {
    fileprivate let go = DispatchSemaphore(value: 0)
    fileprivate(set) var hasEnded = false
    fileprivate(set) var isKilled = false
    fileprivate(set) var outcome = ""
    private let server: SimulatedServer

    /// - Parameter body: What it does, until it ends or is killed; returns how it ended.
    init(_ server: SimulatedServer, _ body: @escaping @Sendable (Process) throws -> String) {
      self.server = server
      let thread = Thread { [self] in
        go.wait()
        do { outcome = isKilled ? "killed" : try body(self) } catch { outcome = "\(error)" }
        hasEnded = true
        server.turn.signal()
      }
      thread.stackSize = 512 << 10
      thread.start()
    }

    /// Lets it do its next step.
    func step() {
      go.signal()
      server.turn.wait()
    }

    /// Ends it before its next step.
    func kill() {
      isKilled = true
      while !hasEnded { step() }
    }

    /// The end of a step.
    fileprivate func pause() throws(CheckpointError) {
      if !isKilled {
        server.turn.signal()
        go.wait()
      }
      if isKilled { throw CheckpointError(path: "", .system(call: "killed", code: 0)) }
    }
  }
}

/// The server as one process on one client sees it.
final class SimulatedFolder: SharedFolder, @unchecked Sendable {
  private let server: SimulatedServer
  private let process: SimulatedServer.Process
  /// Whether the client knows for a while what a name led to, and that a name was absent.
  private let isStale: Bool
  /// Names that were asked for and absent.
  private var absent: Set<String> = []
  /// Other designs: what another path a path is, and whether a link moves.
  private let rewrite: @Sendable (String) -> String
  private let linksMove: Bool

  init(
    _ server: SimulatedServer, _ process: SimulatedServer.Process, isStale: Bool, linksMove: Bool = false,
    rewrite: @escaping @Sendable (String) -> String = { $0 }
  ) {
    (self.server, self.process, self.isStale) = (server, process, isStale)
    (self.linksMove, self.rewrite) = (linksMove, rewrite)
  }

  private static func error(_ code: Int32) -> CheckpointError {
    CheckpointError(path: "", .system(call: "call", code: code))
  }

  /// The folder of a path, and the path's last component.
  private func place(_ path: String) throws(CheckpointError) -> (folder: Int, name: String) {
    let age = isStale ? [0, 0, 1, 3, 8, 30].randomElement(using: &server.random) ?? 0 : 0
    guard let folder = server.folder(Paths.folder(path), age: age) else { throw Self.error(ENOENT) }
    return (folder, Paths.lastComponent(path))
  }

  func list(_ folder: String) throws(CheckpointError) -> [String] {
    try process.pause()
    let folder = rewrite(folder)
    guard let number = server.folders[folder], let files = server.files[number] else { return [] }
    let inner = server.folders.keys.filter { $0 != folder && Paths.folder($0) == folder }.map(Paths.lastComponent)
    return (files.keys + inner).sorted()
  }

  func makeFolder(_ path: String) throws(CheckpointError) {
    try process.pause()
    let path = rewrite(path)
    guard server.folders[path] == nil else { return }
    guard server.folders[Paths.folder(path)] != nil else { throw Self.error(ENOENT) }
    server.change { folders, files, next in
      folders[path] = next
      files[next] = [:]
      next += 1
    }
  }

  func checkPrivate(_ path: String) throws(CheckpointError) {}

  private func put(_ bytes: [UInt8], _ path: String, replaces: Bool) throws(CheckpointError) {
    try process.pause()
    let (folder, name) = try place(rewrite(path))
    guard replaces || server.files[folder]?[name] == nil else { throw Self.error(EEXIST) }
    server.change { _, files, _ in files[folder]?[name] = bytes }
  }

  func write(_ bytes: [UInt8], to path: String) throws(CheckpointError) {
    try put([], path, replaces: false)
    try put(bytes, path, replaces: true)
  }

  func create(_ path: String) throws(CheckpointError) -> Bool {
    do throws(CheckpointError) {
      try put([], path, replaces: false)
      return true
    } catch {
      if case .system(_, EEXIST) = error.problem { return false }
      throw error
    }
  }

  func start(of path: String, byteCount: Int) throws(CheckpointError) -> (fileByteCount: Int, bytes: [UInt8])? {
    try process.pause()
    let path = rewrite(path)
    if isStale, absent.contains(path) { return nil }
    guard let (folder, name) = try? place(path), let bytes = server.files[folder]?[name] else {
      absent.insert(path)
      return nil
    }
    return (bytes.count, Array(bytes.prefix(byteCount)))
  }

  /// Gives a file another name, or a second one.
  private func take(_ path: String, _ name: String, keeps: Bool, replaces: Bool) throws(CheckpointError) {
    try process.pause()
    let (from, to) = (try place(rewrite(path)), try place(rewrite(name)))
    guard let bytes = server.files[from.folder]?[from.name] else { throw Self.error(ENOENT) }
    guard replaces || server.files[to.folder]?[to.name] == nil else { throw Self.error(EEXIST) }
    server.change { _, files, _ in
      files[to.folder]?[to.name] = bytes
      if !keeps { files[from.folder]?[from.name] = nil }
    }
  }

  func link(_ path: String, to name: String) throws(CheckpointError) -> Bool {
    guard server.hasLinks else { return false }
    do throws(CheckpointError) { try take(path, name, keeps: !linksMove, replaces: false) } catch {
      // In a folder that several share the file may be there.
      if rewrite(name) != name, case .system(_, EEXIST) = error.problem { return true }
      throw error
    }
    return true
  }

  func rename(_ path: String, to name: String) throws(CheckpointError) {
    try take(path, name, keeps: false, replaces: true)
  }

  func renameFolder(_ path: String, to name: String) throws(CheckpointError) {
    try process.pause()
    let (path, name) = (rewrite(path), rewrite(name))
    guard let number = server.folders[path] else { throw Self.error(ENOENT) }
    if let other = server.folders[name], server.files[other]?.isEmpty == false { throw Self.error(ENOTEMPTY) }
    server.change { folders, _, _ in
      folders[name] = number
      folders[path] = nil
      for inner in folders.keys where inner.hasPrefix(path + "/") {
        folders[name + inner.dropFirst(path.count)] = folders.removeValue(forKey: inner)
      }
    }
    // A request that was sent twice: it is done, and a failure is reported.
    if isStale, Int.random(in: 0..<8, using: &server.random) == 0 { throw Self.error(EIO) }
  }

  func remove(_ path: String) {
    guard let names = try? list(path), server.folders[rewrite(path)] != nil else {
      guard (try? process.pause()) != nil, let (folder, name) = try? place(rewrite(path)) else { return }
      server.change { _, files, _ in files[folder]?[name] = nil }
      return
    }
    for name in names { remove(Paths.join(path, name)) }
    removeIfEmpty(path)
  }

  func removeIfEmpty(_ folder: String) {
    let folder = rewrite(folder)
    guard (try? process.pause()) != nil, let number = server.folders[folder], server.files[number]?.isEmpty == true,
      !server.folders.keys.contains(where: { $0 != folder && Paths.folder($0) == folder })
    else { return }
    server.change { folders, files, _ in
      folders[folder] = nil
      files[number] = nil
    }
  }

  func complete(_ folder: String) throws(CheckpointError) { try process.pause() }
  func flush(_ folder: String) throws(CheckpointError) { try process.pause() }

  /// Writes into a file of this process.
  func overwrite(_ bytes: [UInt8], _ path: String) throws(CheckpointError) { try put(bytes, path, replaces: true) }
}
