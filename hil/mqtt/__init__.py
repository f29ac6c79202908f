"""MQTT: brokers and the client that workers, coordinator and stations share."""
