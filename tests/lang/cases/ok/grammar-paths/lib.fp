here = ./lib.fp == ./lib.fp
