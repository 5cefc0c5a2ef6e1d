//! Charts, values, the sprig and Helm functions, hooks and release records.
