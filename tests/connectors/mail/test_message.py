"""From a notification to a mail."""

import email.policy
from email import message_from_bytes

import pytest

from connectors.mail.message import MailInputError, addresses, compose, message_id, way_to


@pytest.mark.parametrize(
    ("recipients", "expected"),
    [
        ("a@x.org", ["a@x.org"]),
        ("a@x.org, Ops <b@y.org>;c@z.org", ["a@x.org", "Ops <b@y.org>", "c@z.org"]),
        (["a@x.org", " b@y.org "], ["a@x.org", "b@y.org"]),
    ],
)
def test_recipients_are_a_text_or_a_list(recipients, expected):
    assert addresses(recipients) == expected


@pytest.mark.parametrize(
    "recipients", ["", [], None, 7, "nobody", ["a@x.org\r\nBcc: b@y.org"], "@"]
)
def test_what_is_no_address_is_refused(recipients):
    with pytest.raises(MailInputError):
        addresses(recipients)


def test_a_mail_survives_the_wire_with_chinese_text_and_a_line_break_in_the_subject():
    mail = compose("t@x.org", ["a@x.org"], "设备温度\r\nBcc: evil", "当前温度: 31°C", "i@1:2")
    parsed = message_from_bytes(bytes(mail), policy=email.policy.default)
    assert parsed["Subject"] == "设备温度 Bcc: evil"
    assert parsed["Bcc"] is None
    assert parsed.get_content().strip() == "当前温度: 31°C"
    assert parsed["X-Tidemill-Task"] == "i@1:2"


def test_the_message_id_is_the_task_s_and_no_two_tasks_share_one():
    assert message_id("order-1@abc:7") == message_id("order-1@abc:7")
    ids = {message_id(key) for key in ("a@b:1", "a=40b:1", "a@b=3a1", "a.b:1")}
    assert len(ids) == 4
    assert all(text.count("@") == 1 and text.endswith("@tidemill>") for text in ids)


def test_the_way_to_an_incident_is_a_command_and_a_link_where_there_is_a_console():
    ids = {"instance": "order/7", "tenant": "default", "incident": 4}
    assert way_to(ids).splitlines()[1:] == [
        "  tidemill instance show order/7",
        "  tidemill instance retry order/7 --incident 4",
    ]
    link = way_to({**ids, "tenant": "acme"}, "https://x.org/c/").splitlines()
    assert link[1] == "  tidemill instance show order/7 --tenant acme"
    assert link[-1] == "  https://x.org/c/instances/order%2F7?incident=4&tenant=acme"
