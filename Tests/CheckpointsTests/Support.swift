import Checkpoints
import Foundation
import Platform
import Safetensors
import TestSupport

/// The error that opening the model at `path` throws; nil if it opens.
func refusal(_ path: String) -> (any ReportableError)? {
  do {
    _ = try Checkpoint(path: path)
    return nil
  } catch { return error as? any ReportableError }
}

func problem(_ path: String) -> CheckpointError.Problem? { (refusal(path) as? CheckpointError)?.problem }
