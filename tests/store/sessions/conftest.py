"""A store for each test."""

from support.fixtures import store as store
