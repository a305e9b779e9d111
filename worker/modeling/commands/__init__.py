"""The commands of `moderation-model`, one file each: options, and a `run` that imports what it needs when it runs."""
