"""The model room: bundle, tokenizer, ONNX session, classifier."""
