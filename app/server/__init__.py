"""A local server that speaks the OpenAI API: free of Qt, and of torch until an engine is loaded."""

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8733
