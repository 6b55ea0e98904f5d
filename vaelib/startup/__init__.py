"""What has to happen before torch is first imported; nothing here imports it."""
