"""The command line: `main` runs it; `verbs` has one file for each verb."""
