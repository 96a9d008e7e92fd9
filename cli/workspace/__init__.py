"""Connect what a verb needs: the project's files, the evaluator, the lock, the store and the builders."""
