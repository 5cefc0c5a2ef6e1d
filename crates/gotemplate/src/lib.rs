//! The Go template language: lexer, parser, value model, fmt and an evaluator with fuel.
