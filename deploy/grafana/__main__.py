"""Write the dashboard's JSON."""

from deploy.grafana.dashboard import FILE, rendered

FILE.write_text(rendered(), encoding="utf-8")
