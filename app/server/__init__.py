"""A local server that speaks the OpenAI API: free of Qt, and of torch until an engine is loaded."""
