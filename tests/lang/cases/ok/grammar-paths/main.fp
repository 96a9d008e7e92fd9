result = [./main.fp == ./main.fp, ./a/../main.fp == ./main.fp, type(./main.fp), import(./lib.fp).here]
