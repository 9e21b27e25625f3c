//! The fork-choice store: block tree, votes, weights, safe target.
