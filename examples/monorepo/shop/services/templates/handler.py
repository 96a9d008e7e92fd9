"""Answer the requests of the service templates."""


def answer(config):
    return {"service": "templates", "asks": sorted(config["peers"])}
