"""Passes over the IR: text in, text out."""
