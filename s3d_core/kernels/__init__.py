"""Compiled inner loops for machines whose libraries are slow at a handful of rows."""
