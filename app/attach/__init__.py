"""Files that go to the model with a message. No Qt."""
