"""Real hosts run the partitions of real models: workers and their coordinator, stations, and the MQTT between them."""
