"""From the onnx dialect to the nn dialect, by family of operators."""
