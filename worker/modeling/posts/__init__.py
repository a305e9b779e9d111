"""Posts as the tools read them: labelled, unlabelled, in halves and folds."""
