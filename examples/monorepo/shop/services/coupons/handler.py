"""Answer the requests of the service coupons."""


def answer(config):
    return {"service": "coupons", "asks": sorted(config["peers"])}
