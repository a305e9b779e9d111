"""Tools that make bundles. torch and transformers live here only; serving never imports this package."""
