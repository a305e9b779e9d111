"""A functional suite of our own: made-up cases by phenomenon, apart from the augmentation in groups and templates."""
