"""The dashboard as code: `python -m deploy.grafana` writes moderation-worker.json anew."""
