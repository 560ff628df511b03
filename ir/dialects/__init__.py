"""The dialects: each op's declaration, result types, evaluation and documentation together."""
