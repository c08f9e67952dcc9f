"""PyTorch for an NVIDIA GPU, for a program that came with PyTorch for processors alone.

The driver says which CUDA it knows, a table says which build of PyTorch goes with that, an index says where its files
are and what their SHA-256 digests are. They are fetched, checked, unpacked into the user's data folder, tried in a
process of their own, and put in front of the program's own PyTorch at its next start. Whatever fails, that one stays.
"""
