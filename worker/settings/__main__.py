"""Print the page docs/settings.md."""

import sys

from worker.settings.describe import markdown

sys.stdout.write(markdown())
