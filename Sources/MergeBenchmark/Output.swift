import JSONText

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// The output of a measurement: lines for people, or JSON lines.
struct Output {
  let isJSON: Bool

  func text(_ line: String) { if !isJSON { write(line) } }

  /// - Parameters:
  ///   - benchmark: What was measured; the processor's name is added.
  ///   - members: Writes the object's other members.
  func record(_ benchmark: String, _ members: (inout JSONWriter) -> Void) {
    guard isJSON else { return }
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("benchmark")
    writer.value(benchmark)
    writer.key("processor")
    writer.value(Processor.name)
    writer.key("processors")
    writer.value(Processor.count)
    members(&writer)
    writer.end()
    write(String(decoding: writer.bytes, as: UTF8.self))
  }

  /// Lines appear when they are written, even in a pipe: a run may take minutes.
  private func write(_ line: String) {
    print(line)
    fflush(nil)
  }
}

extension JSONWriter {
  mutating func member(_ key: String, _ value: Distribution) {
    self.key(key)
    beginObject()
    member("median", value.median)
    member("min", value.smallest)
    member("max", value.largest)
    self.key("all")
    beginArray()
    for element in value.values { self.value(element) }
    end()
    end()
  }

  mutating func member(_ key: String, _ value: Double) {
    self.key(key)
    self.value(value)
  }

  mutating func member(_ key: String, _ value: Int) {
    self.key(key)
    self.value(value)
  }

  mutating func member(_ key: String, _ value: Bool) {
    self.key(key)
    self.value(value)
  }

  mutating func member(_ key: String, _ value: String) {
    self.key(key)
    self.value(value)
  }

  mutating func member(_ key: String, _ values: [String]) {
    self.key(key)
    beginArray()
    for element in values { self.value(element) }
    end()
  }
}
