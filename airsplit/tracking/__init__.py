"""Settings, metrics and files of finished work, logged where people compare experiments: MLflow, TensorBoard."""
