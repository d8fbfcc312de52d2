"""Settings of a verifier process; environment variables `TIDEMILL_VERIFIER_…`."""

from __future__ import annotations

from pydantic import Field

from streams.domain.net.soundness import STATES_MAX
from topics.settings import KafkaSettings


class VerifierSettings(KafkaSettings):
    """How far a proof may go."""

    verifier_max_states: int = Field(
        default=STATES_MAX, ge=1, description="States of one definition; then it is unknown."
    )
    verifier_seconds: float = Field(
        default=120.0, gt=0, description="Seconds for one definition; then it is unknown."
    )
    verifier_memory_mib: int = Field(
        default=1_024, ge=16, description="Memory of one proof, in MiB; then it is unknown."
    )
    verifier_group_seconds: float = Field(
        default=15.0,
        ge=0,
        description="Seconds to wait for what a version is to be sound with; then it is unknown.",
    )
    verifier_metrics_port: int = Field(default=0, description="Port of /metrics; 0: none.")
