"""Answer the requests of the service reports."""


def answer(config):
    return {"service": "reports", "asks": sorted(config["peers"])}
