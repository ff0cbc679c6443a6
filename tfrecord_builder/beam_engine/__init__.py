"""The same shards built with Apache Beam, on many machines."""
