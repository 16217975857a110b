"""fhirclient (SMART) as an app that a person lets in: python3 smart_client.py BASE INPUT.

The person's browser is a session of requests that sends the forms of our pages as they are shown.
INPUT: client_id, secret (or null), redirect_uri, scope, name, password, patient.
"""

import json
import sys
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests
from fhirclient import client as smart
from fhirclient.models.patient import Patient


class Forms(HTMLParser):
    """The forms of a page: where each goes, and the fields that it has when nobody touches it."""

    def __init__(self, page):
        super().__init__()
        self.forms = []
        self.feed(page)

    def handle_starttag(self, tag, pairs):
        attributes = dict(pairs)
        if tag == "form":
            self.forms.append((attributes["action"], {}))
        if tag == "input" and self.forms:
            is_off = attributes.get("type") == "checkbox" and "checked" not in attributes
            if "name" in attributes and not is_off:
                self.forms[-1][1][attributes["name"]] = attributes.get("value", "on")


def form_to(response, path):
    forms = [form for form in Forms(response.text).forms if form[0].startswith(path)]
    assert forms, (path, response.url, response.text)
    return urljoin(response.url, forms[0][0]), dict(forms[0][1])


def agree(url, given):
    browser = requests.Session()
    page = browser.get(url)
    assert page.ok and "/sign-in" in page.url, (page.url, page.text)
    target, fields = form_to(page, "/sign-in")
    fields.update(name=given["name"], password=given["password"])
    page = browser.post(target, data=fields)
    assert "/oauth/consent/" in page.url, (page.url, page.text)
    target, fields = form_to(page, "/oauth/consent/")
    fields.update(answer="allow", lasts="year")
    answer = browser.post(target, data=fields, allow_redirects=False)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def main():
    base, given = sys.argv[1], json.loads(sys.argv[2])
    settings = {
        "app_id": given["client_id"],
        "api_base": base,
        "redirect_uri": given["redirect_uri"],
        "scope": given["scope"],
    }
    if given["secret"]:
        settings["app_secret"] = given["secret"]
    app = smart.FHIRClient(settings=settings)
    assert not app.ready and app.prepare() is False
    app.handle_callback(agree(app.authorize_url, given))
    assert app.ready
    assert app.patient.id == given["patient"], app.patient
    found = Patient.where({"_id": given["patient"]}).perform_resources(app.server)
    assert [one.id for one in found] == [given["patient"]]
    assert app.reauthorize()
    assert Patient.read(given["patient"], app.server).id == given["patient"]
    print("ok")


main()
