//! From deployment states to summaries, conditions and budgeted details, incrementally.
