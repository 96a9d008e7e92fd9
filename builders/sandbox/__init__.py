"""The sandbox that builds and shells run in: bubblewrap, the roots that it shows as `/`, and what it may do there."""
