"""The floor that knows numpy alone: what becomes of the recorded steps."""
