"""The published language: messages, envelope, codec, error catalogue."""
