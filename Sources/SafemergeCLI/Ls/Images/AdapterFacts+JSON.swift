import Adapters
import ImageModels
import JSONText
import Safetensors

extension AdapterFacts {
  /// The members of `file` of an adapter.
  func write(to writer: inout JSONWriter) {
    let training = file.training
    writer.member("dialect", file.dialect)
    writer.list("methods", file.methods) { method, writer in
      writer.member("name", method.name)
      writer.member("modules", method.count)
    }
    writer.member("architectures", model.architectures)
    writer.member("named_modules", model.namedCount)
    writer.list("parts", model.parts) { part, writer in
      writer.member("name", part.part.name)
      writer.member("text_encoder", part.part.isTextEncoder)
      writer.member("modules", part.moduleCount)
    }
    writer.list("ranks", ranks) { count, writer in
      writer.member("rank", count.value)
      writer.member("modules", count.modules)
    }
    writer.list("alphas", alphas) { count, writer in
      writer.member("alpha", count.value)
      writer.member("modules", count.modules)
    }
    writer.list("dtypes", dtypes) { sum, writer in
      writer.member("dtype", sum.dtype.name)
      writer.member("tensors", sum.tensors)
      writer.member("bytes", sum.bytes)
    }
    writer.member("bytes", bytes)
    writer.member("base_model") { writer in
      writer.member("name", training.baseModelName)
      writer.member("version", training.baseModelVersion)
      writer.member("architecture", training.architecture)
    }
    writer.member("title", training.title)
    writer.member("author", training.author)
    writer.member("license", training.license)
    writer.member("trigger_phrase", training.triggerPhrase)
    writer.member("usage_hint", training.usageHint)
    writer.list("tags", training.tags) { tag, writer in
      writer.member("name", tag.name)
      writer.member("count", tag.count)
    }
    writer.member("tag_count", training.tagCount)
    writer.member("training") { training.write(to: &$0) }
    writer.list("hashes", training.hashes) { $0.write(to: &$1) }
  }
}

extension TrainingFacts {
  /// The members of `training`: texts as the file has them, cut, or null.
  fileprivate func write(to writer: inout JSONWriter) {
    writer.member("steps", steps)
    writer.member("epochs", epochs)
    writer.member("images", images)
    writer.member("resolution", resolution)
    writer.member("learning_rate", learningRate)
    writer.member("unet_learning_rate", unetLearningRate)
    writer.member("text_encoder_learning_rate", textEncoderLearningRate)
    writer.member("optimizer", optimizer)
    writer.member("prediction_type", predictionType)
    writer.member("network_module", networkModule)
    writer.member("network_dim", rank)
    writer.member("network_alpha", alpha)
    writer.member("network_args", networkArguments)
    writer.member("software", software)
    writer.member("date", date)
  }
}

extension StatedHash {
  func write(to writer: inout JSONWriter) {
    writer.member("key", key)
    writer.member("value", value)
    writer.member("of", meaning)
  }
}
