"""Made-up posts against known blind spots: templates with opposite twins, and spelling tricks on labelled posts."""
