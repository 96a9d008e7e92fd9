"""Stores, roots and builds in them, with the trees and files that they hold."""
