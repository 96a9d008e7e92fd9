"""Data that reports on images are made from: bills of materials, vulnerabilities and evidence."""
