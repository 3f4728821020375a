"""What a training tells other programs while it runs: TensorBoard, MLflow, a file of every step."""
