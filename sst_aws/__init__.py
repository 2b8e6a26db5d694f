"""What the providers for AWS share: what is deployed, and running an app's functions on this machine. No plugin."""
