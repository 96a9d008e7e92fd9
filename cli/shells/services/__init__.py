"""Run the services beside a shell."""
