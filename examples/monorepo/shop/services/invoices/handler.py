"""Answer the requests of the service invoices."""


def answer(config):
    return {"service": "invoices", "asks": sorted(config["peers"])}
