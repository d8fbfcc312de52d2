"""The engine's settings, and what they are to Kafka."""

import pytest
from pydantic import ValidationError

from streams.app import faust_app
from streams.runtime.engine import Engine
from streams.settings import EngineSettings


def conf(**settings):
    made = EngineSettings(kafka_bootstrap_servers="broker:9092", **settings)
    return faust_app(made, Engine(lambda _: None, 10)).conf


def test_a_member_that_is_silent_for_so_many_heartbeats_is_dead():
    found = conf(heartbeat_interval=2.5, failure_detection_threshold=4)
    assert found.broker_heartbeat_interval == 2.5
    assert found.broker_session_timeout == 10


def test_the_communication_time_out_is_that_of_requests_and_rebalances():
    found = conf(communication_timeout=17)
    assert found.broker_rebalance_timeout == 17
    assert found.broker_request_timeout == 27


def test_a_session_shorter_than_kafka_takes_names_the_settings_that_make_it():
    with pytest.raises(ValidationError, match="heartbeat_interval x failure_detection_threshold"):
        EngineSettings(heartbeat_interval=1, failure_detection_threshold=5)
