import JSONText
import MergeEngine
import Safetensors

/// The events of taking adapters out of a model.
extension EventStream {
  func returned(_ text: ReturnedText) {
    send("returned") { event in
      event.member("elements", text.elementCount)
      event.member("changed", text.changedCount)
      event.list("tensors", text.tensors) { tensor, event in
        event.member("name", tensor.name.string)
        event.member("elements", tensor.elementCount)
        event.member("changed", tensor.changedCount)
      }
    }
  }

  func compared(_ text: ComparedText) {
    send("compared") { event in
      event.member("with", text.title)
      event.member("tensors", text.tensorCount)
      event.member("different_tensors", text.differentCount)
      event.member("elements", text.elementCount)
      event.member("changed", text.changedCount)
      event.member("largest", text.largest)
    }
  }
}
