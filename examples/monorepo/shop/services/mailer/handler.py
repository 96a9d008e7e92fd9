"""Answer the requests of the service mailer."""


def answer(config):
    return {"service": "mailer", "asks": sorted(config["peers"])}
