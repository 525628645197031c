"""Storage on Redis or Valkey: one server, a cluster, or a set with Sentinels."""
